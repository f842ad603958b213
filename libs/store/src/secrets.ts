import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { read } from './transaction.js';

/** Secrets of this installation that nobody chooses and every replica shares. */
export class SecretStore {
  constructor(private readonly dataSource: DataSource) {}

  /** The secret of this name: 32 random bytes, drawn when it is first asked for and the same ever after. */
  async get(name: string): Promise<Buffer> {
    return read(async () => {
      await this.dataSource.query(`INSERT INTO secret (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [
        name,
        randomBytes(32),
      ]);
      const rows = await this.dataSource.query<{ value: Buffer }[]>(`SELECT value FROM secret WHERE name = $1`, [name]);
      const [row] = rows;
      if (row === undefined) throw new Error(`The secret "${name}" is gone from one statement to the next.`);
      return row.value;
    });
  }
}
