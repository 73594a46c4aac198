/** An app that listens on a port of its own does so in each process that loads it. */

/** What to tell of it, in one sentence; undefined for every other error. By shape: it may be thrown in another realm. */
export function portTaken(error: unknown): string | undefined {
  const { code, syscall, port } = error as { code?: unknown; syscall?: unknown; port?: unknown };
  if (code !== 'EADDRINUSE' || syscall !== 'listen') return undefined;
  return `Port ${port} is taken. If an app listens there itself: every worker loads it, so that it has to leave its pages to app.addHandler() or app.route(), or there may be one worker only (WORKER_PROCESSES=1).`;
}
