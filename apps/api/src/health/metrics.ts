import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { FastifyReply } from 'fastify';

/** What operators watch, in Prometheus' text format. One registry per service, so that several in one process share nothing. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests = new Histogram({
    name: 'fledge_http_request_duration_seconds',
    help: 'How long requests took, by route and status.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry });
    // Everybody may read this page; which Node.js it is only helps who looks for holes.
    this.registry.removeSingleMetric('nodejs_version_info');
  }

  /** A value that is read when somebody looks. */
  gauge(name: string, help: string, read: () => number): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }

  /** Values by label that are asked for when somebody looks; whatever cannot be had is left out. */
  gauges(name: string, help: string, label: string, read: () => Promise<Readonly<Record<string, number>>>): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [label],
        registers: [],
        async collect() {
          this.reset();
          const values = await read().catch(() => ({}));
          for (const [value, count] of Object.entries(values)) this.set({ [label]: value }, count);
        },
      }),
    );
  }

  /** A count by label that only grows. */
  counter(name: string, help: string, label: string): (value: string) => void {
    const counter = new Counter({ name, help, labelNames: [label], registers: [this.registry] });
    return (value) => counter.inc({ [label]: value });
  }

  /** Counts a finished request under its route's pattern, never under its path: paths are without number. */
  observe(reply: FastifyReply): void {
    const { method, routeOptions } = reply.request;
    const labels = { method, route: routeOptions.url ?? 'none', status: String(reply.statusCode) };
    this.#requests.observe(labels, reply.elapsedTime / 1_000);
  }
}
