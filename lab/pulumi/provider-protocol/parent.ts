/**
 * Ends this process when the one that started it is gone, however that ended. The engine puts each plugin into a process
 * group of its own, so killing the CLI's group does not reach them.
 */
export function endWithParent(cleanUp?: () => void): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) {
      cleanUp?.();
      process.exit(1);
    }
  }, 500).unref();
}
