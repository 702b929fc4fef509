/** Entering pods' namespaces: nothing asynchronous begins there, no thread stays there, and one that hangs stops nobody. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { run as runProgram } from '#test/support/command.ts';
import { missing } from '#test/support/needs.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { run, TestNode } from './support/datapath-node.ts';

const PROGRAM = new URL('support/namespaces.program.ts', import.meta.url).pathname;
const SOURCES = new URL('../../ipamd/datapath/', import.meta.url).pathname;

/**
 * The first message of a call, as strace spells it: by number where it cannot tell the family of the socket. A batch of nf_tables
 * begins with 0x10, too, in 20 bytes.
 */
const NEWLINK = /sendto\(\d+, \[?\{+nlmsg_len=(?!20,)\d+, nlmsg_type=(RTM_NEWLINK|0x10)\b/;
const DELLINK = /sendto\(\d+, \[?\{+nlmsg_len=\d+, nlmsg_type=(RTM_DELLINK|0x11)\b/;

interface Seen {
  readonly outcomes: readonly { readonly netns: string; readonly outcome: string; readonly afterMs: number }[];
  readonly abroad: readonly string[];
  readonly strays: readonly string[];
  readonly threadsBefore: number;
  readonly damages: readonly unknown[];
}

describeWith(['root', 'ip', 'nft'], 'datapath: namespaces of pods', () => {
  let directory = '';
  let node: TestNode | undefined;
  let child: ChildProcess | undefined;
  afterEach(() => {
    child?.kill('SIGKILL');
    node?.[Symbol.dispose]();
    if (directory !== '') rmSync(directory, { recursive: true, force: true });
    [directory, node, child] = ['', undefined, undefined];
  });

  /** `before` is a shell command in a mount namespace of the process's own. */
  async function see(netnsPaths: readonly string[], env: NodeJS.ProcessEnv = {}, before = 'true'): Promise<Seen> {
    const script = `${before}; exec "$@"`;
    const inner = [process.execPath, '--no-warnings', PROGRAM, node?.path('node') ?? '', ...netnsPaths];
    const { stdout, stderr } = await runProgram(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', ...inner],
      { env: { ...process.env, ...env }, timeoutMs: 100_000 },
    );
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Seen;
  }
  const outcome = (seen: Seen, netns: string): string =>
    seen.outcomes.find((each) => each.netns === netns && each.outcome !== 'pool works')?.outcome ?? 'none';

  it('thirty ADDs at once: nothing is begun abroad, the pool is warm before the first, and every thread is at home', async () => {
    node = new TestNode();
    const paths = Array.from({ length: 30 }, (_, index) => node?.addNamespace(`p${index}`) ?? '');
    const seen = await see(paths, { UV_THREADPOOL_SIZE: '13' });
    for (const path of paths) expect(outcome(seen, path)).toBe('made');
    expect(seen).toMatchObject({ abroad: [], strays: [], damages: [] });
    expect(seen.threadsBefore).toBeGreaterThanOrEqual(1 + 13);
  });

  it('a FIFO, a directory, and the namespace of a process that is stopped: refused or made, and nobody waits', async () => {
    node = new TestNode();
    directory = mkdtempSync(join(tmpdir(), 'wellspring-netns-'));
    const fifo = join(directory, 'fifo');
    run('mkfifo', fifo);
    child = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
    const own = run('readlink', '/proc/self/ns/net');
    const stopped = `/proc/${child.pid}/ns/net`;
    await until('it has a namespace of its own', 5000, () => run('readlink', stopped) !== own);
    child.kill('SIGSTOP');
    const good = node.addNamespace('good');
    const seen = await see([fifo, directory, stopped, good]);
    expect(outcome(seen, fifo)).toMatch(/fifo: not there, or no network namespace/);
    expect(outcome(seen, directory)).toMatch(/not there, or no network namespace/);
    expect([outcome(seen, stopped), outcome(seen, good)]).toEqual(['made', 'made']);
    expect(seen).toMatchObject({ abroad: [], strays: [], damages: [] });
  });

  const withTracer = missing('strace') === '' ? it : it.skip;
  withTracer('links are deleted by a thread of the pool, and never by the main thread', async () => {
    node = new TestNode();
    directory = mkdtempSync(join(tmpdir(), 'wellspring-netns-'));
    const calls = join(directory, 'calls');
    const netns = ['a', 'b', 'c'].map((name) => node?.addNamespace(name) ?? '');
    const program = [process.execPath, '--no-warnings', PROGRAM, node.path('node'), ...netns];
    const tracer = ['-f', '-qq', '--seccomp-bpf', '-e', 'trace=execve,sendto', '-e', 'signal=none', '-o', calls];
    await runProgram('strace', [...tracer, ...program]);
    // Each line begins with the number of the thread; the first call is the main thread's execve.
    const lines = readFileSync(calls, 'utf8').split('\n');
    const mainThread = lines[0]?.split(' ')[0];
    const deletions = lines.filter((line) => DELLINK.test(line)).map((line) => line.split(' ')[0]);
    expect(lines.filter((line) => line.startsWith(`${mainThread} `) && NEWLINK.test(line)).length).toBeGreaterThan(2);
    expect(deletions.length).toBeGreaterThan(0);
    expect(deletions).not.toContain(mainThread);
  });

  const withFuse = existsSync('/dev/fuse') ? it : it.skip;
  withFuse('paths on a file system whose server is dead are given up, and others are served meanwhile', async () => {
    node = new TestNode();
    directory = mkdtempSync(join(tmpdir(), 'wellspring-netns-'));
    // Nobody reads what the kernel asks of descriptor 9.
    const dead = `exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 dead ${directory}`;
    // The file system's own directory, too: the way there asks nobody.
    const hanging = [directory, ...Array.from({ length: 8 }, (_, index) => join(directory, `pod${index}`))];
    const good = ['a', 'b', 'c'].map((name) => node?.addNamespace(name) ?? '');
    const seen = await see([...hanging, ...good], { UV_THREADPOOL_SIZE: '4' }, dead);
    for (const path of hanging)
      expect(outcome(seen, path)).toMatch(/could not be opened within 2000 ms|has not returned yet/);
    for (const path of good) expect(outcome(seen, path)).toBe('made');
    const latest = (paths: readonly string[]): number =>
      Math.max(...seen.outcomes.filter(({ netns }) => paths.includes(netns)).map(({ afterMs }) => afterMs));
    expect(latest(good)).toBeLessThan(latest(hanging));
  });
});

describe('the source of the datapath', () => {
  const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => ({ name, text: readFileSync(join(SOURCES, name), 'utf8') }));
  const users = (pattern: RegExp): readonly string[] =>
    sources
      .filter(({ text }) => pattern.test(text))
      .map(({ name }) => name)
      .toSorted();

  it('calls setns in one file, and hands only synchronous functions to what enters a namespace', () => {
    expect(users(/'int setns\(/)).toEqual(['netlink/transport.ts']);
    expect(users(/\bwithinNamespace\(/)).toEqual(['conntrack.ts', 'kernel.ts']);
    expect(users(/\b(withPod|withinNamespace)\([^;]*?\basync\b[^;]*?=>/)).toEqual([]);
  });

  it('deletes links in one place, from a thread of the pool', () => {
    expect(users(/RTM\.delLink\b(?!\))/).filter((name) => !/link-events|news/.test(name))).toEqual([
      'netlink/route/link.ts',
    ]);
    expect(users(/\bdeleteLink(Group)?\(/)).toEqual(['netlink/route/link.ts', 'pod/removal.ts']);
  });
});
