import type { Metrics } from '../lib/metrics.js';
import type { WorkerMessage } from './worker-processes.js';

/**
 * Tells the server, if there is one, that the event loop turns and where its apps answer HTTP requests, and hands it this
 * process's metrics when asked.
 */
export function reportTo(server: NodeJS.Process, metrics: Metrics, pages?: string): () => void {
  if (server.send === undefined) return () => undefined;
  const send = (message: WorkerMessage) => server.send?.(message, undefined, undefined, () => undefined);
  send({ type: 'alive' });
  if (pages !== undefined) send({ type: 'pages', socket: pages });
  const timer = setInterval(() => send({ type: 'alive' }), 1_000);
  server.on('message', (message: WorkerMessage) => {
    if (message.type !== 'ask-metrics') return;
    void metrics.registry
      .getMetricsAsJSON()
      .then((values) => send({ type: 'metrics', request: message.request, metrics: values }));
  });
  return () => clearInterval(timer);
}
