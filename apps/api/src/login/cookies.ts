import type { FastifyReply, FastifyRequest } from 'fastify';

/** A cookie that scripts cannot read and, over https, no other host can have set. */
export class Cookie {
  readonly #name: string;
  readonly #attributes: string;

  /** `sameSite`: Strict, or Lax for one that must come along when a browser is sent back from elsewhere. */
  constructor(name: string, sameSite: 'Strict' | 'Lax', publicUrl: URL) {
    const isSecure = publicUrl.protocol === 'https:';
    this.#name = isSecure ? `__Host-${name}` : name;
    this.#attributes = `Path=/; HttpOnly; SameSite=${sameSite}${isSecure ? '; Secure' : ''}`;
  }

  read({ headers }: FastifyRequest): string | undefined {
    const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
    const found = pairs.find((pair) => pair.startsWith(`${this.#name}=`))?.slice(this.#name.length + 1);
    return found === '' ? undefined : found;
  }

  write(reply: FastifyReply, value: string, seconds: number): void {
    void reply.header('set-cookie', `${this.#name}=${value}; Max-Age=${Math.floor(seconds)}; ${this.#attributes}`);
  }

  clear(reply: FastifyReply): void {
    this.write(reply, '', 0);
  }
}
