import { spawnSync } from 'node:child_process';
import { mkdirSync, readlinkSync } from 'node:fs';

/** How a program runs itself again in namespaces of its own: `command ...args <program> <its arguments>`. */
export interface Isolation {
  readonly kind: 'root' | 'user-namespace';
  readonly command: string;
  /** Ends with `--`. */
  readonly args: readonly string[];
  /** One sentence for the person in front: which way it is, and why. */
  readonly why: string;
}

/** The machine does not let this user make network namespaces; the message says what to do about it. */
export class IsolationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'IsolationError';
  }
}

const NAMED_NAMESPACES = '/run/netns';

/**
 * The way in, tried out before it is returned. The program must call `enterPrivateNetwork` first thing when it runs
 * there. `keep` leaves named namespaces in the machine's own /run/netns, where `ip netns exec` of another shell finds
 * them; only root can. Throws an `IsolationError` where the kernel refuses.
 */
export function isolationCommand(options: { readonly keep?: boolean } = {}): Isolation {
  const isolation = process.getuid?.() === 0 ? asRoot(options.keep === true) : asUser();
  const trial = spawnSync(isolation.command, [...isolation.args, 'true'], { encoding: 'utf8', timeout: 10_000 });
  if (trial.status === 0) return isolation;
  const reason = (trial.error?.message ?? trial.stderr).trim();
  throw new IsolationError(
    isolation.kind === 'root'
      ? `This root user may not make network namespaces (${reason}); run it where CAP_SYS_ADMIN and CAP_NET_ADMIN are allowed, e.g. in a privileged container.`
      : `Network namespaces need root or unprivileged user namespaces, which this machine refuses (${reason}); run it with sudo, or allow them with sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0.`,
  );
}

function asRoot(keep: boolean): Isolation {
  const spaces = keep ? ['--net'] : ['--net', '--mount', '--propagation', 'private'];
  const why = keep
    ? 'as root, in a network namespace of its own; named namespaces stay visible under /run/netns'
    : 'as root, in network and mount namespaces of its own';
  return { kind: 'root', command: 'unshare', args: [...spaces, '--'], why };
}

function asUser(): Isolation {
  return {
    kind: 'user-namespace',
    command: 'unshare',
    args: ['--user', '--map-root-user', '--net', '--mount', '--'],
    why: 'not as root, so in a user namespace with network and mount namespaces of its own',
  };
}

/**
 * Makes the namespaces of `isolationCommand` usable: an empty /run/netns that nobody else sees (unless `keep` and root),
 * and a loopback that is up. Throws an `IsolationError` when the caller is not in a network namespace of its own, since
 * what it does would then be done to the machine.
 */
export function enterPrivateNetwork(isolation: Pick<Isolation, 'kind'> & { readonly keep?: boolean }): void {
  if (sharesWithParent('net'))
    throw new IsolationError('not in a network namespace of its own: start it by isolationCommand');
  if (isolation.kind === 'user-namespace' || isolation.keep !== true) {
    if (sharesWithParent('mnt'))
      throw new IsolationError('not in a mount namespace of its own: start it by isolationCommand');
    mountPrivateNames();
  }
  execute('ip', ['link', 'set', 'dev', 'lo', 'up']);
}

function mountPrivateNames(): void {
  try {
    mkdirSync(NAMED_NAMESPACES, { recursive: true });
  } catch {
    // Nobody has made it yet and only the machine's root could: then /run as a whole becomes ours.
    execute('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', '/run']);
    mkdirSync(NAMED_NAMESPACES, { recursive: true });
  }
  execute('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', NAMED_NAMESPACES]);
}

/** A parent outside our user namespace does not show its namespaces: then they are not ours. */
function sharesWithParent(space: 'net' | 'mnt'): boolean {
  try {
    return readlinkSync(`/proc/${process.ppid}/ns/${space}`) === readlinkSync(`/proc/self/ns/${space}`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')) return false;
    throw error;
  }
}

function execute(command: string, args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 });
  if (done.status === 0) return;
  const reason = (done.error?.message ?? done.stderr).trim();
  throw new IsolationError(`${[command, ...args].join(' ')} failed: ${reason}`);
}
