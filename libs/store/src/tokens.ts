import type { Problem } from '@fledge/evaluation';
import { In, IsNull, type DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange, CHANNEL, TOKENS } from './change-log.js';
import { iso } from './documents.js';
import { EnvironmentRow } from './entities/environment.entity.js';
import { ProjectRow } from './entities/project.entity.js';
import { TokenRow, type Role, type TokenKind } from './entities/token.entity.js';
import { DomainError, notFound, refuseProblems } from './errors.js';
import { refuseStale, type Expected } from './locate.js';
import { slice, toPage, type Page, type PageQuery } from './page.js';
import { hashToken, hintOf, isMalformed, newTokenText } from './token-text.js';
import { read, write, type Tx, updateRow } from './transaction.js';

export type NewToken = {
  readonly name: string;
  readonly kind: TokenKind;
  readonly role?: Role | undefined;
  readonly project?: string | undefined;
  readonly environments?: readonly string[] | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Of SDK and client keys: only flags with one of these tags, and what they need. Default: every flag. */
  readonly tags?: readonly string[] | undefined;
  readonly expiresAt?: string | undefined;
  /** Of a session: the id of the person at their provider. */
  readonly person?: string | undefined;
};

export type Rotation = {
  /** How long the old token goes on working, in milliseconds. */
  readonly graceMs: number;
  /** When the new one ends; default: as long after now as the old one's end was after its beginning, or never. */
  readonly expiresAt?: string | undefined;
  /** What the new one sees; default: what the old one does. null: every flag. */
  readonly tags?: readonly string[] | null | undefined;
};

export type TokenDocument = {
  readonly id: string;
  readonly name: string;
  readonly kind: TokenKind;
  readonly role: Role | null;
  readonly project: string | null;
  readonly environments: readonly string[] | null;
  readonly allowedOrigins: readonly string[] | null;
  /** Of SDK and client keys: what flags they see; null: every one. */
  readonly tags: readonly string[] | null;
  readonly hint: string;
  /** The token that this one was made to take over from. */
  readonly replaces: string | null;
  /** Whose session this is; null: it is none. */
  readonly person: string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
};

/** The answer to making one: the only time the text is seen. A replayed request gets it without. */
export type CreatedToken = TokenDocument & { readonly token?: string };

/** What a token that was presented may do. */
export type Grant = {
  readonly id: string;
  readonly name: string;
  readonly kind: TokenKind;
  readonly role: Role | null;
  /** null: every project. */
  readonly project: { readonly id: number; readonly key: string } | null;
  /** null: every environment of the project. */
  readonly environments: readonly { readonly id: number; readonly key: string }[] | null;
  /** Where the browsers may come from that use a client key; null: from anywhere. */
  readonly allowedOrigins: readonly string[] | null;
  /** Only flags with one of these, in order and each once, and what they need; null: every flag. */
  readonly tags: readonly string[] | null;
  /** Whose session this is; null: it is none. */
  readonly person: string | null;
  readonly expiresAt: Date | null;
};

/** Why a management token has no tags. */
export const MANAGEMENT_TAGS: Problem = {
  pointer: '/tags',
  code: 'unwanted',
  message: 'Only SDK and client keys see flags by their tags; leave this out.',
};

/** One order for one set of tags, so that all keys with it share what is made for them. */
const inOrder = (tags: readonly string[]): string[] => [...new Set(tags)].toSorted();

const SORTS = {
  createdAt: { expression: 'token.created_at', type: 'timestamptz' },
  name: { expression: 'token.name', type: 'text' },
} as const;

/** Tokens of people, scripts and SDKs. */
export class TokenStore {
  constructor(private readonly dataSource: DataSource) {}

  /** What the text grants now; undefined when it is unknown, expired or revoked, or what it was made for is gone. */
  async authenticate(text: string): Promise<Grant | undefined> {
    if (isMalformed(text)) return undefined;
    return this.#grant('hash = $1', hashToken(text));
  }

  /** What the token with this id grants now, for who has proved by other means to come from it; undefined as above. */
  grantOf(id: string): Promise<Grant | undefined> {
    return this.#grant('token.id = $1::uuid', id);
  }

  async #grant(which: string, value: Buffer | string): Promise<Grant | undefined> {
    const rows = await read(() =>
      this.dataSource.query<GrantRow[]>(
        `SELECT token.id, token.name, token.kind, token.role, token.project_id AS "projectId", project.key AS "projectKey",
                token.environment_ids AS "environmentIds", token.allowed_origins AS "allowedOrigins", token.tags, token.person, token.expires_at AS "expiresAt",
                (SELECT coalesce(json_agg(json_build_object('id', environment.id, 'key', environment.key) ORDER BY environment.id), '[]')
                 FROM environment WHERE environment.id = ANY (token.environment_ids)) AS environments
         FROM token LEFT JOIN project ON project.id = token.project_id
         WHERE ${which} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
        [value],
      ),
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    if (row.environmentIds !== null && row.environments.length === 0) return undefined;
    return {
      id: row.id,
      name: row.name,
      kind: row.kind,
      role: row.role,
      project: row.projectId === null || row.projectKey === null ? null : { id: row.projectId, key: row.projectKey },
      environments: row.environmentIds === null ? null : row.environments,
      allowedOrigins: row.allowedOrigins,
      tags: row.tags,
      person: row.person,
      expiresAt: row.expiresAt,
    };
  }

  /** Those of the tokens that are valid no longer. */
  async invalid(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const rows = await read(() =>
      this.dataSource.query<{ id: string }[]>(
        `SELECT id FROM token WHERE id = ANY ($1::uuid[]) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`,
        [ids],
      ),
    );
    const valid = new Set(rows.map(({ id }) => id));
    return ids.filter((id) => !valid.has(id));
  }

  /** Remembers when tokens were last used. Called now and then with what was collected, never per request. */
  async markUsed(uses: ReadonlyMap<string, Date>): Promise<void> {
    if (uses.size === 0) return;
    await read(() =>
      this.dataSource.query(
        `UPDATE token SET last_used_at = greatest(last_used_at, used.at)
         FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at) WHERE token.id = used.id`,
        [[...uses.keys()], [...uses.values()]],
      ),
    );
  }

  /** Whether anybody could administer this installation with a token from the database. */
  async hasAdmin(): Promise<boolean> {
    const rows = await read(() =>
      this.dataSource.query<unknown[]>(
        `SELECT 1 FROM token WHERE kind = 'management' AND role = 'admin' AND project_id IS NULL AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > now()) LIMIT 1`,
      ),
    );
    return rows.length > 0;
  }

  async list(
    query: PageQuery & { readonly kind?: TokenKind | undefined },
    only?: number,
  ): Promise<Page<TokenDocument>> {
    const part = slice(query, SORTS, '-createdAt', { expression: 'token.id', type: 'uuid' }, 4);
    return read(async () => {
      const rows = await this.dataSource.query<ListedToken[]>(
        `SELECT token.*, project.key AS "projectKey", ${part.cursorValue} AS "cursorValue",
                (SELECT array_agg(environment.key ORDER BY environment.id) FROM environment
                 WHERE environment.id = ANY (token.environment_ids)) AS "environmentKeys"
         FROM token LEFT JOIN project ON project.id = token.project_id
         WHERE ($1::int IS NULL OR token.project_id = $1) AND ($2::text IS NULL OR token.kind = $2) AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $3`,
        [only ?? null, query.kind ?? null, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, listedDocument);
    });
  }

  /** Makes a token; `text` is drawn unless the first start brings one that it has written down already. */
  async create(by: Actor, input: NewToken, text: string = newTokenText(input.kind)): Promise<CreatedToken> {
    return write(
      this.dataSource,
      by,
      async (tx) => {
        const { project, environments } = await scopeOf(tx, input);
        const row = await tx.save(
          tx.create(TokenRow, {
            name: input.name,
            kind: input.kind,
            role: input.kind === 'management' ? (input.role ?? 'viewer') : null,
            projectId: project?.id ?? null,
            environmentIds: environments?.map(({ id }) => id) ?? null,
            hash: hashToken(text),
            hint: hintOf(text),
            tags: input.tags === undefined ? null : inOrder(input.tags),
            allowedOrigins: input.allowedOrigins === undefined ? null : [...input.allowedOrigins],
            expiresAt: input.expiresAt === undefined ? null : new Date(input.expiresAt),
            lastUsedAt: null,
            revokedAt: null,
            replaces: null,
            person: input.person ?? null,
          }),
        );
        const document = tokenDocument(row, project?.key ?? null, environments?.map(({ key }) => key) ?? null);
        await logToken(tx, by, 'token.created', project, null, document);
        return { ...document, token: text };
      },
      ({ token: _, ...document }) => document,
    );
  }

  /** Makes the token with this text unless there ever was one; a revoked one stays revoked. */
  async ensure(by: Actor, input: NewToken, text: string): Promise<void> {
    const known = await read(() => this.dataSource.manager.exists(TokenRow, { where: { hash: hashToken(text) } }));
    if (!known) await this.create(by, input, text);
  }

  async get(id: string): Promise<TokenDocument> {
    return read(async () => (await load(this.dataSource.manager, id)).document);
  }

  /** Ends a token at once and for good; the row stays, so that the change log can be read. */
  async revoke(by: Actor, id: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, (tx) => revokeToken(tx, by, id, { expected }));
  }

  /**
   * Makes a token that may do the same, and ends the old one when the grace is over, so that nobody is locked out meanwhile.
   * @throws DomainError `token_ended` when there is nothing to take over: it has ended, or another has taken over already
   */
  async rotate(
    by: Actor,
    id: string,
    { graceMs, expiresAt, tags }: Rotation,
    expected?: Expected,
  ): Promise<CreatedToken> {
    return write(
      this.dataSource,
      by,
      async (tx) => {
        const { row, document, project } = await lockToken(tx, id);
        refuseStale(row.version, expected);
        await refuseEnded(tx, row);
        if (row.kind === 'management' && tags !== undefined) refuseProblems([MANAGEMENT_TAGS]);
        const now = Date.now();
        const lasts = row.expiresAt === null ? undefined : row.expiresAt.getTime() - row.createdAt.getTime();
        const text = newTokenText(row.kind);
        const { id: _, createdAt: __, version: ___, ...inherited } = row;
        const next = await tx.save(
          tx.create(TokenRow, {
            ...inherited,
            hash: hashToken(text),
            hint: hintOf(text),
            expiresAt:
              expiresAt === undefined ? (lasts === undefined ? null : new Date(now + lasts)) : new Date(expiresAt),
            tags: tags === undefined ? row.tags : tags && inOrder(tags),
            lastUsedAt: null,
            replaces: id,
            // What comes out is shown, so it is no session: whoever made it must not act as the person.
            person: null,
          }),
        );
        const ends = new Date(Math.min(now + graceMs, row.expiresAt?.getTime() ?? Infinity));
        const version = row.version + 1;
        await updateRow(tx, TokenRow, { id }, { expiresAt: ends, version });
        const after = { ...document, version, expiresAt: iso(ends), replacedBy: next.id };
        await logToken(tx, by, 'token.rotated', project, document, after);
        const made = tokenDocument(next, document.project, document.environments);
        await logToken(tx, by, 'token.created', project, null, made);
        await tx.query(`SELECT pg_notify($1, $2)`, [CHANNEL, TOKENS]);
        return { ...made, token: text };
      },
      ({ token: _, ...answer }) => answer,
    );
  }
}

/** Ends a token in the caller's transaction; one that is revoked already stays as it is. Answers whether it was this that ended it. */
export async function revokeToken(
  tx: Tx,
  by: Actor,
  id: string,
  { expected, reverts }: { readonly expected?: Expected; readonly reverts?: string } = {},
): Promise<boolean> {
  const { row, document, project } = await lockToken(tx, id);
  refuseStale(row.version, expected);
  if (row.revokedAt !== null) return false;
  const revokedAt = new Date();
  const version = row.version + 1;
  await updateRow(tx, TokenRow, { id }, { revokedAt, version });
  const after = { ...document, version, revokedAt: iso(revokedAt) };
  await logToken(tx, by, 'token.revoked', project, document, after, reverts);
  await tx.query(`SELECT pg_notify($1, $2)`, [CHANNEL, TOKENS]);
  return true;
}

async function refuseEnded(tx: Tx, row: TokenRow): Promise<void> {
  if (row.revokedAt !== null) throw new DomainError('token_ended', 'The token is revoked; make a new one.');
  if (row.expiresAt !== null && row.expiresAt.getTime() <= Date.now())
    throw new DomainError('token_ended', 'The token has expired; make a new one.');
  const heir = await tx.findOne(TokenRow, { where: { replaces: row.id, revokedAt: IsNull() } });
  if (heir !== null)
    throw new DomainError('token_ended', `The token ${heir.id} has taken over from this one; rotate that.`, {
      replacedBy: heir.id,
    });
}

type GrantRow = Omit<Grant, 'project' | 'environments'> & {
  projectId: number | null;
  projectKey: string | null;
  environmentIds: number[] | null;
  environments: { id: number; key: string }[];
};

type ListedToken = {
  id: string;
  name: string;
  kind: TokenKind;
  role: Role | null;
  hint: string;
  replaces: string | null;
  person: string | null;
  version: number;
  projectKey: string | null;
  environment_ids: number[] | null;
  environmentKeys: string[] | null;
  allowed_origins: string[] | null;
  tags: string[] | null;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
  revoked_at: Date | null;
  cursorValue: string;
};

const listedDocument = (row: ListedToken): TokenDocument => ({
  id: row.id,
  name: row.name,
  kind: row.kind,
  role: row.role,
  project: row.projectKey,
  environments: row.environment_ids === null ? null : (row.environmentKeys ?? []),
  allowedOrigins: row.allowed_origins,
  tags: row.tags,
  hint: row.hint,
  replaces: row.replaces,
  person: row.person,
  version: row.version,
  createdAt: iso(row.created_at),
  expiresAt: isoOrNull(row.expires_at),
  lastUsedAt: isoOrNull(row.last_used_at),
  revokedAt: isoOrNull(row.revoked_at),
});

const tokenDocument = (
  row: TokenRow,
  project: string | null,
  environments: readonly string[] | null,
): TokenDocument => ({
  id: row.id,
  name: row.name,
  kind: row.kind,
  role: row.role,
  project,
  environments,
  allowedOrigins: row.allowedOrigins,
  tags: row.tags,
  hint: row.hint,
  replaces: row.replaces,
  person: row.person,
  version: row.version,
  createdAt: iso(row.createdAt),
  expiresAt: isoOrNull(row.expiresAt),
  lastUsedAt: isoOrNull(row.lastUsedAt),
  revokedAt: isoOrNull(row.revokedAt),
});

async function lockToken(tx: Tx, id: string): ReturnType<typeof load> {
  await tx.query('SELECT 1 FROM token WHERE id = $1 FOR NO KEY UPDATE', [id]);
  return load(tx, id);
}

async function load(
  tx: Tx,
  id: string,
): Promise<{ row: TokenRow; document: TokenDocument; project: ProjectRow | undefined }> {
  const row = await tx.findOne(TokenRow, { where: { id }, relations: { project: true } });
  if (row === null) throw notFound('token', id);
  const environments =
    row.environmentIds === null
      ? null
      : await tx.find(EnvironmentRow, { where: { id: In(row.environmentIds) }, order: { id: 'ASC' } });
  const project = row.project ?? undefined;
  return {
    row,
    project,
    document: tokenDocument(row, project?.key ?? null, environments?.map(({ key }) => key) ?? null),
  };
}

async function logToken(
  tx: Tx,
  by: Actor,
  action: string,
  project: ProjectRow | undefined,
  before: TokenDocument | null,
  after: TokenDocument,
  reverts?: string,
): Promise<void> {
  await appendChange(tx, by, {
    action,
    ...(project === undefined ? {} : { project }),
    subject: { type: 'token', key: after.id },
    before,
    after,
    reverts,
  });
}

/** Looks up what the token is for. @throws DomainError `invalid`, naming every environment that does not exist */
async function scopeOf(
  tx: Tx,
  input: NewToken,
): Promise<{ project: ProjectRow | undefined; environments: EnvironmentRow[] | undefined }> {
  if (input.project === undefined) return { project: undefined, environments: undefined };
  const project = await tx.findOne(ProjectRow, { where: { key: input.project } });
  if (project === null) {
    refuseProblems([
      { pointer: '/project', code: 'unknown_project', message: `There is no project "${input.project}".` },
    ]);
    return { project: undefined, environments: undefined };
  }
  if (input.environments === undefined) return { project, environments: undefined };
  const found = await tx.find(EnvironmentRow, {
    where: { projectId: project.id, key: In([...input.environments]) },
    order: { id: 'ASC' },
  });
  const known = new Set(found.map(({ key }) => key));
  refuseProblems(
    input.environments
      .filter((key) => !known.has(key))
      .map((key) => ({
        pointer: input.kind === 'management' ? '/environments' : '/environment',
        code: 'unknown_environment',
        message: `There is no environment "${key}" in project "${project.key}".`,
      })),
  );
  return { project, environments: found };
}

const isoOrNull = (date: Date | null): string | null => (date === null ? null : iso(date));
