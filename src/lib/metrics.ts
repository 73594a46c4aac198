import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Every metric of a process, in one place; served at /metrics. Labels never hold names of repositories or people. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    deliveries: new Counter({
      name: 'forgeway_deliveries_total',
      help: 'Webhook requests by answer',
      labelNames: ['forge', 'answer'] as const,
      registers,
    }),
    ingressSeconds: new Histogram({
      name: 'forgeway_ingress_seconds',
      help: 'Time from the first byte of a webhook to the answer',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers,
    }),
    ingressRefusals: new Counter({
      name: 'forgeway_ingress_refusals_total',
      help: 'Webhook requests that were refused unread, and connections that were closed, to keep the load bounded',
      labelNames: ['reason'] as const,
      registers,
    }),
    ingressLagSeconds: new Gauge({
      name: 'forgeway_ingress_lag_seconds',
      help: 'How late the event loop of the ingress is',
      registers,
    }),
    inboxDepth: new Gauge({
      name: 'forgeway_inbox_depth',
      help: 'Deliveries and dispatches that are neither finished nor parked, counted to a limit',
      registers,
    }),
    dispatches: new Counter({
      name: 'forgeway_dispatches_total',
      help: 'Handler runs by result',
      labelNames: ['app', 'result'] as const,
      registers,
    }),
    dispatchSeconds: new Histogram({
      name: 'forgeway_dispatch_seconds',
      help: 'Time one handler run took',
      labelNames: ['app'] as const,
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 10, 60],
      registers,
    }),
    inboxOldestSeconds: new Gauge({
      name: 'forgeway_inbox_oldest_seconds',
      help: 'Age of the oldest delivery that waits for nothing but its first turn',
      registers,
    }),
    holds: new Gauge({
      name: 'forgeway_holds',
      help: 'Holds in force: pauses, under which runs wait, and shadows, under which they send nothing',
      labelNames: ['mode'] as const,
      registers,
    }),
    pausedRuns: new Gauge({
      name: 'forgeway_paused_runs',
      help: 'Handler runs whose turn came and that a pause holds back',
      registers,
    }),
    events: new Counter({
      name: 'forgeway_events_total',
      help: 'Events handed to apps by who reported them: webhook, poll, or forgeway itself',
      labelNames: ['source'] as const,
      registers,
    }),
    pollRequests: new Counter({
      name: 'forgeway_poll_requests_total',
      help: 'Looks of the poller at a repository by result: changed, unchanged, not_modified (304), failed',
      labelNames: ['forge', 'result'] as const,
      registers,
    }),
    pollCycleSeconds: new Histogram({
      name: 'forgeway_poll_cycle_seconds',
      help: 'Time one cycle of the poller took, over all repositories that were due',
      buckets: [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300],
      registers,
    }),
    pollOldestSeconds: new Gauge({
      name: 'forgeway_poll_oldest_seconds',
      help: 'How long ago the repository that the poller has looked at least lately was looked at',
      registers,
    }),
    jobs: new Counter({
      name: 'forgeway_jobs_total',
      help: 'Feature jobs by queue and result',
      labelNames: ['queue', 'result'] as const,
      registers,
    }),
    lostPokes: new Counter({
      name: 'forgeway_lost_pokes_total',
      help: 'Hints the job queue did not take; the sweeper repeats them',
      labelNames: ['queue'] as const,
      registers,
    }),
    forgeRequests: new Counter({
      name: 'forgeway_forge_requests_total',
      help: 'Requests to forges by status class',
      labelNames: ['forge', 'status'] as const,
      registers,
    }),
    openCircuits: new Gauge({
      name: 'forgeway_open_circuits',
      help: 'Hosts that do not answer and are not asked for a while, by forge',
      labelNames: ['forge'] as const,
      registers,
    }),
    unsupportedRequests: new Counter({
      name: 'forgeway_unsupported_requests_total',
      help: 'Requests of apps that a forge has nothing for, by route',
      labelNames: ['forge', 'app', 'route'] as const,
      registers,
    }),
    missedDeliveries: new Counter({
      name: 'forgeway_missed_deliveries_total',
      help: 'Deliveries that the forge could not make, by what became of them; asked counts each time one was asked for',
      labelNames: ['forge', 'result'] as const,
      registers,
    }),
    hookSwitches: new Counter({
      name: 'forgeway_hook_switches_total',
      help: 'Webhooks found switched off at their forge, and switched on again by Forgeway',
      labelNames: ['forge', 'change'] as const,
      registers,
    }),
    previews: new Gauge({
      name: 'forgeway_previews',
      help: 'Previews by phase',
      labelNames: ['phase'] as const,
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
