import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { enterPrivateNetwork, isolationCommand, IsolationError } from '#cloud/emulator/fabric/isolate.ts';

const PROGRAM = fileURLToPath(new URL('./fabric-isolated.program.ts', import.meta.url));
const ISOLATE = fileURLToPath(new URL('../../cloud/emulator/fabric/isolate.ts', import.meta.url));
const NOBODY = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
/** What `isolationCommand` says to a user who is not root. */
const ASK = `import { isolationCommand } from ${JSON.stringify(ISOLATE)}; console.log(JSON.stringify(isolationCommand({})))`;

interface Report {
  readonly seenBefore: string;
  readonly neighbour: boolean;
  readonly delays: readonly string[];
  readonly internet: boolean;
  readonly seenAfter: string;
  readonly rules: string;
}

function expectWorking(output: string): void {
  const report = JSON.parse(output) as Report;
  expect(report).toMatchObject({ neighbour: true, internet: true, seenAfter: report.seenBefore });
  expect(report.delays.filter((each) => !each.endsWith(' 0'))).toEqual([]);
  expect(report.rules.trim().split('\n')).toHaveLength(3);
}

const sh = (command: string, ...args: readonly string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', timeout: 100_000, stdio: ['ignore', 'pipe', 'pipe'] });

describeWith(['root', 'ip'], 'isolation', () => {
  it('as root: a fabric in the namespace of the process, unseen by the machine', () => {
    const isolation = isolationCommand();
    expect(isolation.kind).toBe('root');
    const output = sh(isolation.command, ...isolation.args, process.execPath, PROGRAM, isolation.kind);
    expect((JSON.parse(output) as Report).seenBefore).toBe('');
    expectWorking(output);
    expect(readdirSync('/run/netns').filter((name) => name.startsWith('wu'))).toEqual([]);
  });

  it("as root with keep: named namespaces are the machine's", () => {
    const isolation = isolationCommand({ keep: true });
    expect(isolation.args).not.toContain('--mount');
    const output = sh(isolation.command, ...isolation.args, process.execPath, PROGRAM, isolation.kind, 'keep');
    const report = JSON.parse(output) as Report;
    expect(report).toMatchObject({ neighbour: true, internet: true });
    expect(report.seenAfter).not.toContain('wu');
  });

  it('as another user: the same inside a user namespace', () => {
    const isolation = JSON.parse(
      sh('setpriv', ...NOBODY, process.execPath, '--input-type=module', '-e', ASK),
    ) as ReturnType<typeof isolationCommand>;
    expect(isolation.kind).toBe('user-namespace');
    expectWorking(
      sh('setpriv', ...NOBODY, isolation.command, ...isolation.args, process.execPath, PROGRAM, isolation.kind),
    );
  });

  it('as another user where user namespaces are refused: one sentence that says what to do', () => {
    // The kernel makes no user namespace for a process whose root is not its mount namespace's root.
    const root = mkdtempSync(join(tmpdir(), 'fabric-root-'));
    try {
      const script = 'mount --rbind / "$0" && exec chroot --userspec=65534:65534 "$0" "$@"';
      const args = ['--mount', 'sh', '-c', script, root, process.execPath, '--input-type=module', '-e', ASK];
      const refused = spawnSync('unshare', args, { encoding: 'utf8', timeout: 100_000 });
      expect(refused.status).not.toBe(0);
      expect(refused.stderr).toMatch(
        /IsolationError: Network namespaces need root or .*not permitted.*run it with sudo/,
      );
    } finally {
      rmdirSync(root);
    }
  });

  it('as a root without the capabilities: one sentence that says what to do', () => {
    const args = ['--bounding-set', '-sys_admin', process.execPath, '--input-type=module', '-e', ASK];
    const refused = spawnSync('setpriv', args, { encoding: 'utf8', timeout: 100_000 });
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/IsolationError: This root user may not .*not permitted.*privileged container/);
  });

  it('refuses to touch the machine when it was not isolated', () => {
    const before = readlinkSync('/proc/self/ns/net');
    expect(() => enterPrivateNetwork({ kind: 'root' })).toThrow(IsolationError);
    expect(readlinkSync('/proc/self/ns/net')).toBe(before);
  });
});
