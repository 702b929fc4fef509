/** Removes what a test cluster leaves when its process is killed, by a process that the kill does not reach. */
import { spawn } from 'node:child_process';

export interface Remains {
  /** Begins the names of its network namespaces, and after `wsk-` those of its cgroups. */
  readonly prefix: string;
  readonly directories: readonly string[];
}

/** Ends when nothing is left; gives up after a minute. Processes of the cluster end by themselves with their parent. */
const SCRIPT = `
cat >/dev/null
prefix=$1
shift
for attempt in $(seq 120); do
  for path in /run/netns/"$prefix"*; do [ -e "$path" ] && ip netns delete "\${path##*/}"; done
  find /sys/fs/cgroup -depth -type d -path "*/wsk-$prefix*" -exec rmdir {} +
  rm -rf --one-file-system "$@"
  left=$(find /run/netns /sys/fs/cgroup -name "$prefix*" -o -name "wsk-$prefix*" | head -n 1)
  [ -z "$left" ] && exit 0
  sleep 0.5
done 2>/dev/null
`;

/** Waits until it is disposed of, or this process is gone, whatever the reason; then removes what there is. */
export function removeAfterwards({ prefix, directories }: Remains): Disposable {
  // A session of its own: Ctrl-C goes to the terminal's.
  const child = spawn('sh', ['-c', SCRIPT, 'remover', prefix, ...directories], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.unref();
  return { [Symbol.dispose]: () => child.stdin.end() };
}
