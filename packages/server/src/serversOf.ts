/** The list of NATS servers that a list, or a text with commas, names. */
export function serversOf(servers: string | readonly string[]): string[] {
  const urls = typeof servers === 'string' ? servers.split(',') : servers;
  return urls.map((url) => url.trim()).filter((url) => url !== '');
}
