import type { Owner } from './ownership.js';

/**
 * PostgreSQL refuses to run as root. A route is a way to run it nevertheless without making an account:
 * `direct` as we are; `namespace` as root's own files see it, but inside a user namespace where root is called nobody,
 * so that every file stays root's and every directory root can enter can be entered; `uid` as another user.
 */
export type Route =
  { readonly kind: 'direct' } | { readonly kind: 'namespace' } | { readonly kind: 'uid'; readonly owner: Owner };

/** What the choice of a route depends on. */
export interface Situation {
  readonly platform: string;
  /** Our own user; undefined where there is no such thing (Windows). */
  readonly uid: number | undefined;
  /** initdb insists on a name for its user. */
  readonly hasAccount: boolean;
  /** Whose the existing cluster is; undefined before the first start. */
  readonly cluster: Owner | undefined;
  /** Whose the data directory is. */
  readonly dataDir: Owner | undefined;
}

/** The user "nobody", which has a name on every Linux and owns nothing. */
const NOBODY: Owner = { uid: 65_534, gid: 65_534 };

/** The routes worth trying, best first. */
export function routesFor(situation: Situation): Route[] {
  const { platform, uid, hasAccount, cluster, dataDir } = situation;
  if (uid !== 0)
    return platform === 'linux' && !hasAccount ? [{ kind: 'namespace' }, { kind: 'direct' }] : [{ kind: 'direct' }];
  if (cluster !== undefined && cluster.uid !== 0) return [{ kind: 'uid', owner: cluster }];
  const asNobody: Route = { kind: 'uid', owner: NOBODY };
  const asRoot: Route[] = platform === 'linux' ? [{ kind: 'namespace' }, asNobody] : [asNobody];
  // A new cluster in an ordinary user's directory becomes theirs too, for the day they start without sudo.
  const asOwner = cluster === undefined && dataDir !== undefined && dataDir.uid !== 0;
  return asOwner ? [{ kind: 'uid', owner: dataDir }, ...asRoot] : asRoot;
}

/**
 * The words that start a program on a route. With `onParentDeath` the kernel sends that signal when the thread that
 * started it ends, even by kill -9; it is set innermost because entering a namespace or another user may clear it.
 */
export function wrap(
  route: Route,
  program: string,
  args: readonly string[],
  onParentDeath?: 'INT' | 'TERM',
): { file: string; args: string[]; uid?: number; gid?: number } {
  const inner =
    onParentDeath === undefined
      ? [program, ...args]
      : ['setpriv', '--pdeathsig', onParentDeath, '--', program, ...args];
  const outer =
    route.kind === 'namespace'
      ? ['unshare', '--user', `--map-user=${NOBODY.uid}`, `--map-group=${NOBODY.gid}`, '--', ...inner]
      : inner;
  const [file = program, ...rest] = outer;
  return { file, args: rest, ...(route.kind === 'uid' ? route.owner : {}) };
}
