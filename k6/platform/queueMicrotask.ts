const resolved = Promise.resolve();

/** k6 has no `queueMicrotask`, but its promises run their reactions at the same time. */
export function queueMicrotask(task: () => void): void {
  void resolved.then(task);
}
