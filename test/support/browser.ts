/** As much of a browser as signing in takes: it keeps cookies per host, and goes where it is sent. */
export class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();

  /** One request, with the cookies of its host. */
  async ask(address: string, init: RequestInit = {}): Promise<Response> {
    const { host } = new URL(address);
    const jar = this.#cookies.get(host) ?? new Map<string, string>();
    this.#cookies.set(host, jar);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = new Headers(init.headers);
    if (cookie !== '') headers.set('cookie', cookie);
    const answer = await fetch(address, { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    return answer;
  }

  /** Follows redirections until there is none, or one leads to where `stop` says. Answers the last answer and where it came from. */
  async go(
    address: string,
    stop: (next: string) => boolean = () => false,
  ): Promise<{ answer: Response; address: string; next: string | undefined }> {
    for (let current = address, hops = 0; hops < 20; hops += 1) {
      const answer = await this.ask(current);
      const location = answer.headers.get('location');
      const next = location === null ? undefined : new URL(location, current).href;
      if (next === undefined || stop(next)) return { answer, address: current, next };
      current = next;
    }
    throw new Error(`${address} leads nowhere in 20 steps.`);
  }

  /** The cookie of a host, as a thief would have it. */
  cookie(address: string, name: string): string | undefined {
    return this.#cookies.get(new URL(address).host)?.get(name);
  }
}
