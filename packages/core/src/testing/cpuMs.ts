/** Time of this process on the processor, ms: on a busy machine the clock on the wall says nothing about the code. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
