import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the server counts about itself. `docs/operations.md` says what to watch. */
export type Metrics = ReturnType<typeof createMetrics>;

const LATENCY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * The counters, gauges and histograms of one app, with a registry of their own, so that two apps in one process (tests)
 * do not count into each other. Event-loop delay, memory, garbage collection and file handles come along.
 */
export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  return {
    registry,
    requests: new Counter({
      name: 'parley_http_requests_total',
      help: 'REST calls answered.',
      labelNames: ['method', 'route', 'status'] as const,
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'parley_http_request_seconds',
      help: 'Time from the request line to the end of the answer.',
      labelNames: ['method', 'route'] as const,
      buckets: LATENCY_SECONDS,
      registers,
    }),
    commands: new Counter({
      name: 'parley_socket_commands_total',
      help: 'Socket commands answered; `result` is `ok` or the error code.',
      labelNames: ['command', 'result'] as const,
      registers,
    }),
    commandQueueDepth: new Gauge({
      name: 'parley_socket_command_queue_depth',
      help: 'Mutating commands that wait for the one before them on their socket.',
      registers,
    }),
    sockets: new Gauge({ name: 'parley_sockets', help: 'Sockets connected and signed in.', registers }),
    socketsEnded: new Counter({
      name: 'parley_sockets_ended_total',
      help: 'Connections that the server ended, by reason.',
      labelNames: ['code'] as const,
      registers,
    }),
    messagesSent: new Counter({
      name: 'parley_messages_sent_total',
      help: 'Messages stored (repeats not counted).',
      registers,
    }),
    batchSize: new Histogram({
      name: 'parley_message_batch_size',
      help: 'Messages in one commit of the log.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    }),
    commitSeconds: new Histogram({
      name: 'parley_message_commit_seconds',
      help: 'Time that one commit of the log takes.',
      buckets: LATENCY_SECONDS,
      registers,
    }),
    deliverySeconds: new Histogram({
      name: 'parley_delivery_seconds',
      help: 'Time from a commit to the emission of its event on this node.',
      buckets: LATENCY_SECONDS,
      registers,
    }),
    feedRepairs: new Counter({
      name: 'parley_feed_repairs_total',
      help: 'Events that the feed took from the database because their hint was missing.',
      registers,
    }),
    hintsLost: new Counter({
      name: 'parley_hints_lost_total',
      help: 'Hints to other nodes that did not reach Redis; the other nodes take the events from the database.',
      registers,
    }),
    sendQueueDepth: new Gauge({
      name: 'parley_send_queue_depth',
      help: 'Messages that wait for the commit before theirs.',
      registers,
    }),
    limiterRefusals: new Counter({
      name: 'parley_limiter_refusals_total',
      help: 'Calls refused by a rate limit.',
      labelNames: ['limit'] as const,
      registers,
    }),
  };
}

/** Connections to the database: open, free, and requests that wait for one; read when metrics are. */
export function watchPool(metrics: Metrics, read: () => { total: number; idle: number; waiting: number }): void {
  new Gauge({
    name: 'parley_database_connections',
    help: 'Connections to the database by state; `waiting` are requests for one.',
    labelNames: ['state'] as const,
    registers: [metrics.registry],
    collect() {
      for (const [state, count] of Object.entries(read())) this.set({ state }, count);
    },
  });
}
