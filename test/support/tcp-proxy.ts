import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A network between two programs that a test can spoil. Counts what passes. */
export interface TcpProxy {
  readonly port: number;
  /** Bytes that went from the clients to the server. */
  readonly sent: number;
  /** Bytes that came back. */
  readonly received: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Connections ever accepted. */
  readonly accepted: number;
  /** Holds every byte back, in both directions and on new connections too, until `resume`. Nobody is told anything. */
  stall(): void;
  /** Lets go what was held back, and all that follows. */
  resume(): void;
  /** Never again carries a byte of the connections that are open, as a firewall does that forgot them; new ones work. */
  strand(): void;
  /** Resets every connection; and refuses new ones until `mend`. */
  cut(): void;
  mend(): void;
  /** Resets every connection; new ones work at once. */
  reset(): void;
  /** Every piece of data arrives this much later, in order. */
  delay(ms: number): void;
  /** Resets each connection opened from now on after this many bytes from the server; undefined: never. */
  cutAfter(bytes: number | undefined): void;
  /** Passes on what comes from the server as `amend` makes it; undefined: as it is. */
  amend(amend: ((data: Buffer) => Buffer) | undefined): void;
  close(): Promise<void>;
}

type Link = { readonly client: Socket; readonly server: Socket; stranded: boolean; left: number };

/** Listens on a port of its own and passes everything on to `target`, a URL or a port of this machine. */
export async function startTcpProxy(target: string | number): Promise<TcpProxy> {
  const links = new Set<Link>();
  const waiting: (() => void)[] = [];
  const counts = { sent: 0, received: 0, accepted: 0 };
  let stalled = false;
  let refusing = false;
  let delayMs = 0;
  let most: number | undefined;
  let amended = (data: Buffer): Buffer => data;

  const pass = (link: Link, from: Socket, to: Socket, data: Buffer): void => {
    const back = from === link.server;
    const chunk = back ? amended(data) : data;
    counts[back ? 'received' : 'sent'] += chunk.length;
    const piece = back && chunk.length > link.left ? chunk.subarray(0, link.left) : chunk;
    if (back) link.left -= piece.length;
    if (!to.destroyed && !to.write(piece) && !from.isPaused()) {
      from.pause();
      to.once('drain', () => from.resume());
    }
    if (back && link.left <= 0) to.end(() => destroy(link));
  };
  const carry = (link: Link, from: Socket, to: Socket): void => {
    // One queue per direction keeps the order when the delay changes.
    let queue = Promise.resolve();
    const enqueue = (action: () => void): void => {
      const due = performance.now() + delayMs;
      queue = queue.then(async () => {
        const wait = due - performance.now();
        if (wait > 0) await new Promise((resolve) => void setTimeout(resolve, wait));
        if (stalled) await new Promise<void>((resolve) => void waiting.push(resolve));
        if (!link.stranded) action();
      });
    };
    from.on('data', (chunk: Buffer) => enqueue(() => pass(link, from, to, chunk)));
    from.on('end', () => enqueue(() => to.end()));
    from.on('error', () => enqueue(() => destroy(link)));
    from.on('close', () => enqueue(() => destroy(link)));
  };
  const destroy = (link: Link): void => {
    links.delete(link);
    for (const socket of [link.client, link.server]) if (!socket.destroyed) socket.resetAndDestroy();
  };

  const door = createServer({ allowHalfOpen: true }, (client) => {
    client.on('error', () => undefined);
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    counts.accepted += 1;
    const place = typeof target === 'number' ? { host: '127.0.0.1', port: target } : addressOf(target);
    const server = connect({ ...place, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const link: Link = { client, server, stranded: false, left: most ?? Number.POSITIVE_INFINITY };
    links.add(link);
    carry(link, client, server);
    carry(link, server, client);
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const reset = (): void => {
    for (const link of links) destroy(link);
  };
  const resume = (): void => {
    stalled = false;
    for (const go of waiting.splice(0)) go();
  };

  return {
    port: (door.address() as AddressInfo).port,
    get sent() {
      return counts.sent;
    },
    get received() {
      return counts.received;
    },
    get accepted() {
      return counts.accepted;
    },
    get open() {
      return links.size;
    },
    stall() {
      stalled = true;
    },
    resume,
    strand() {
      for (const link of links) link.stranded = true;
    },
    cut() {
      refusing = true;
      reset();
    },
    mend() {
      refusing = false;
    },
    reset,
    delay(ms) {
      delayMs = ms;
    },
    cutAfter(bytes) {
      most = bytes;
    },
    amend(amend) {
      amended = amend ?? ((data) => data);
    },
    async close() {
      resume();
      reset();
      door.close();
      await once(door, 'close');
    },
  };
}

/** The same URL with the proxy in the way. */
export function through(proxy: TcpProxy, url: string): string {
  const detour = new URL(url);
  detour.hostname = '127.0.0.1';
  detour.port = String(proxy.port);
  return detour.href.replace(/\/$/, url.endsWith('/') ? '/' : '');
}

const addressOf = (url: string): { host: string; port: number } => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
};
