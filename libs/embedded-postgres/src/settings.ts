/** What a caller may choose about the server. */
export interface ServerSettings {
  readonly port: number;
  readonly maxConnections: number;
  readonly durable: boolean;
}

/** The name of the setting that marks a postmaster as ours and says which process started it. */
export const OWNER_SETTING = 'fledge.owner';

/**
 * The server's `-c` arguments. They are given on the command line, not written to postgresql.conf, so that a cluster
 * made by an older version runs with today's settings; what is not named here a person may set in the file.
 */
export function serverArguments(settings: ServerSettings, owner: number): string[] {
  const all = { ...common(settings), ...(settings.durable ? DURABLE : THROW_AWAY), [OWNER_SETTING]: String(owner) };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

function common(settings: ServerSettings): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    port: String(settings.port),
    unix_socket_directories: '',
    max_connections: String(settings.maxConnections),
    cluster_name: 'fledge',
    shared_buffers: '64MB',
    huge_pages: 'off',
    // Three worker processes fewer; what is read here fits in memory.
    io_method: 'sync',
    max_logical_replication_workers: '0',
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    logging_collector: 'off',
    log_destination: 'stderr',
    log_checkpoints: 'off',
    // Statements may hold what users store in flags; a log file is no place for it.
    log_min_error_statement: 'panic',
  };
}

const DURABLE: Readonly<Record<string, string>> = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

const THROW_AWAY: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  checkpoint_timeout: '1h',
  // A worker that looks at the template would hold up every CREATE DATABASE from it.
  autovacuum: 'off',
};
