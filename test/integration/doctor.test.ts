/** `doctor`, `trace`, `bundle` and `analyze` on a node that runs, and that is damaged for real. */
import { appendFile, chmod, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { readBundle } from '#ipamd/check-node/bundle/read-bundle.ts';
import { readTar } from '#ipamd/check-node/bundle/tar.ts';
import type { Finding } from '#ipamd/check-node/finding.ts';
import type { DoctorAnswer } from '#ipamd/ctl/doctor.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { ctlAnywhere, DoctorBed, WITHOUT_REPAIR } from './doctor-bed.ts';

const SECRETS = ['wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', 'AKIAIOSFODNN7EXAMPLE', 'hunter2hunter2'];
const ACCOUNT = '210987654321';

let bed: DoctorBed;
let node: ClusterNode;
let root: string;

const doctor = () => bed.doctor();
const ctl = (...args: readonly string[]) => bed.ctl(...args);
const shell = (script: string) => bed.shell(script);

async function doctorCommand(): Promise<DoctorAnswer> {
  const { code, stdout, stderr } = await ctl('doctor', '--root', root, '--json');
  expect(stderr).toBe('');
  const answer = JSON.parse(stdout) as DoctorAnswer;
  expect(code).toBe(answer.counts.error > 0 ? 3 : 0);
  return answer;
}

const problems = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => !['ok', 'info'].includes(severity));

/** Severity of each check that is named, and that each has a cure. */
function named(findings: readonly Finding[], checks: readonly string[]): Readonly<Record<string, string>> {
  const found = findings.filter(({ check, severity }) => checks.includes(check) && severity !== 'ok');
  for (const { cure } of found) expect(cure).toMatch(/\S/);
  return Object.fromEntries(found.map(({ check, severity }) => [check, severity]));
}

describeWith(['root', 'ip', 'nft'], 'doctor', () => {
  beforeAll(async () => {
    bed = await DoctorBed.open();
    ({ node, root } = bed);
  });
  afterAll(() => bed?.[Symbol.asyncDispose]());

  it('finds nothing wrong with a node on which nothing is, and names what is denied or does not answer', async () => {
    bed.cluster.cloud.failNext('AssignPrivateIpAddresses', {
      kind: 'error',
      code: 'UnauthorizedOperation',
      status: 403,
    });
    const { findings } = await doctorCommand();
    expect(problems(findings)).toMatchObject([
      {
        check: 'permissions',
        severity: 'error',
        seen: expect.stringContaining('ec2:AssignPrivateIpAddresses is denied'),
        runbook: 'cloud-denied.md',
      },
    ]);
    const fine = findings.filter(({ severity }) => severity === 'ok').map(({ check }) => check);
    const checks = ['daemon', 'cni-binary', 'conflist', 'metadata', 'rules', 'nftables', 'pods'];
    expect(fine).toEqual(expect.arrayContaining(checks));
    await node.blackhole('169.254.169.254');
    const { stdout, code } = await ctl('doctor', '--root', root);
    await node.blackhole(undefined);
    expect(code).toBe(3);
    expect(stdout).toMatch(
      /^ERROR metadata: instance metadata: .+\n {2}do: {2}aws ec2 modify-instance-metadata-options .+\n/,
    );
    expect(stdout).toMatch(/\nUNKNOWN permissions: /);
    expect(stdout).toMatch(/^ok {2}daemon +answers on /m);
    expect(stdout).not.toContain('\u001B');
  });

  it('tells missing credentials once, and as what they are: no policy gives any', async () => {
    const { stdout } = await bed.ctlWithoutKeys('doctor', '--root', root, '--json');
    expect(problems((JSON.parse(stdout) as DoctorAnswer).findings)).toMatchObject([
      {
        check: 'credentials',
        severity: 'error',
        seen: expect.stringMatching(/^no credentials from the role of the instance: .+[^;]$/),
        cure: expect.stringMatching(/^attach an instance profile/),
        runbook: 'cloud-denied.md',
      },
    ]);
  });

  it('a bundle goes to standard output where no file can be written, as in the container of ipamd', async () => {
    const file = join(root, 'piped.tgz');
    const made = await bed.ctlInto(file, 'bundle', '--no-cloud', '--out', '-', '--json');
    expect(JSON.parse(made.stderr)).toMatchObject({ path: '-', bytes: (await stat(file)).size });
    expect((await readBundle(file)).facts.daemon.introspectReach).toMatchObject({ ok: true });
  });

  it('needs no command of the system, which the image of ipamd does not have', async () => {
    const { stdout } = await bed.ctlWith({ PATH: '/nonexistent' }, 'doctor', '--root', root, '--no-cloud', '--json');
    const checks = (JSON.parse(stdout) as DoctorAnswer).findings.map(({ check, severity }) => `${check} ${severity}`);
    expect(checks).toEqual(expect.arrayContaining(['nftables ok', 'rules ok', 'pods ok']));
  });

  it('asks for the rights that an IPv6 node needs', async () => {
    const file = join(root, 'ipv6.tgz');
    await bed.ctlWith({ ENABLE_IPv4: 'false', ENABLE_IPv6: 'true' }, 'bundle', '--out', file);
    const { permissions } = (await readBundle(file)).facts;
    const asked = 'value' in permissions ? permissions.value.map(({ action }) => action) : [];
    expect(asked).toEqual(expect.arrayContaining(['CreateNetworkInterface', 'AssignIpv6Addresses']));
    expect(asked).not.toContain('AssignPrivateIpAddresses');
  });

  it('finds each damage of the kernel, and what other CNIs left in it', async () => {
    const damages = [
      'echo 0 >/proc/sys/net/ipv4/ip_forward',
      'echo 2 >/proc/sys/net/ipv4/conf/all/rp_filter',
      'ip rule del pref 512',
      'nft flush chain inet wellspring anti-spoof',
      'ip rule add pref 512 to 10.0.0.77 lookup main',
      'ip rule add pref 1536 from 10.0.0.77 lookup 2',
      'ip link add cali0123456789a type veth peer name cilium_host',
      'nft add table ip nat; nft add chain ip nat AWS-SNAT-CHAIN-0',
      'nft add table inet fw; nft add chain inet fw forward "{ type filter hook forward priority 0; policy drop; }"',
    ];
    await shell(damages.join('\n'));
    expect(
      named(await doctor(), [
        'ip-forward',
        'pod-rp-filter',
        'rules',
        'nftables',
        'peer-rules',
        'calico',
        'cilium',
        'peer-snat',
        'forward-policy',
      ]),
    ).toEqual({
      'ip-forward': 'error',
      'pod-rp-filter': 'warning',
      rules: 'error',
      nftables: 'error',
      'peer-rules': 'error',
      calico: 'warning',
      cilium: 'warning',
      'peer-snat': 'warning',
      'forward-policy': 'warning',
    });
    const undo = [
      'ip rule del pref 512; ip rule del pref 1536 from 10.0.0.77',
      'ip link del cali0123456789a',
      'nft delete table ip nat; nft delete table inet fw',
      'echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter',
    ];
    await shell(undo.join('\n'));
    await shell(`ip route flush table 8787; ip link set ${bed.hostIfName} down`);
    expect(named(await doctor(), ['pods'])).toEqual({ pods: 'error' });
    await node.stopDaemon('SIGTERM');
    await shell(`ip link set ${bed.hostIfName} up`);
    await node.startDaemon({ WELLSPRING_DRIFT_REPAIR: 'true' });
    await until('drift is repaired', 30_000, async () => problems(await doctor()).length === 0);
    await node.stopDaemon('SIGTERM');
    await node.startDaemon(WITHOUT_REPAIR);
  });

  it('finds files that lack, come first or may not run, and software that competes', async () => {
    const units = join(root, 'etc/systemd/system/timers.target.wants');
    await mkdir(units, { recursive: true });
    await writeFile(join(units, 'nm-cloud-setup.timer'), '');
    await mkdir(join(root, 'usr/bin'), { recursive: true });
    await writeFile(join(root, 'usr/bin/setup-policy-routes'), '#!/bin/sh\n');
    const other = join(root, 'etc/cni/net.d/05-cilium.conflist');
    await writeFile(other, '{"cniVersion":"1.0.0","name":"cilium","plugins":[{"type":"cilium-cni"}]}');
    await writeFile(join(root, 'etc/cni/net.d/00-broken.conf'), '{');
    await rm(join(root, 'opt/cni/bin/wellspring-cni'));
    await writeFile(join(root, 'opt/cni/bin/wellspring-cni'), '#!/bin/sh\nexit 1\n');
    await chmod(join(root, 'opt/cni/bin/wellspring-cni'), 0o644);
    await bed.running('NetworkManager');
    await bed.running('systemd-network');
    await bed.running('firewalld');
    await bed.running('kubelet', '--max-pods=300');
    const checks = ['network-manager', 'systemd-networkd', 'firewalld', 'nm-cloud-setup', 'ec2-net-utils'];
    const files = ['conflist-order', 'conflist-broken', 'cni-binary', 'max-pods'];
    expect(named(await doctor(), [...checks, ...files])).toEqual({
      'network-manager': 'warning',
      'systemd-networkd': 'error',
      firewalld: 'error',
      'nm-cloud-setup': 'warning',
      'ec2-net-utils': 'warning',
      'conflist-order': 'error',
      'conflist-broken': 'warning',
      'cni-binary': 'error',
      'max-pods': 'warning',
    });
    // As the cures have it.
    await mkdir(join(root, 'etc/systemd/networkd.conf.d'), { recursive: true });
    const tame = '[Network]\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=no\n';
    await writeFile(join(root, 'etc/systemd/networkd.conf.d/80-wellspring.conf'), tame);
    await mkdir(join(root, 'etc/NetworkManager/conf.d'), { recursive: true });
    const unmanaged = '[keyfile]\nunmanaged-devices=interface-name:eni*;interface-name:vlan.eth.*\n';
    await writeFile(join(root, 'etc/NetworkManager/conf.d/99-wellspring.conf'), unmanaged);
    await chmod(join(root, 'opt/cni/bin/wellspring-cni'), 0o755);
    await rm(other);
    expect(named(await doctor(), [...checks, ...files])).toEqual({
      firewalld: 'error',
      'nm-cloud-setup': 'warning',
      'ec2-net-utils': 'warning',
      'conflist-broken': 'warning',
      'cni-binary': 'error',
      'max-pods': 'warning',
    });
    bed.endRunning();
    for (const left of [
      'etc/systemd',
      'etc/NetworkManager',
      'usr',
      'etc/cni/net.d/00-broken.conf',
      'opt/cni/bin/wellspring-cni',
    ])
      await rm(join(root, left), { recursive: true });
    await symlink(await cniBinary(), join(root, 'opt/cni/bin/wellspring-cni'));
    await until('they are gone', 20_000, async () => problems(await doctor()).length === 0);
  });

  it('a bundle has no secrets in it, and analyze finds on it what doctor found', async () => {
    const secretive = join(root, 'etc/cni/net.d/99-other.conf');
    await writeFile(
      secretive,
      JSON.stringify({ type: 'other', token: SECRETS[2], role: `arn:aws:iam::${ACCOUNT}:role/n` }),
    );
    const logs = join(root, 'var/log/pods/kube-system_wellspring-x_1/ipamd');
    await mkdir(logs, { recursive: true });
    const lines = [
      `{"level":30,"secretAccessKey":"${SECRETS[0]}","msg":"key ${SECRETS[1]}"}`,
      `aws_secret_access_key = ${SECRETS[0]}`,
    ];
    await writeFile(join(logs, '0.log'), lines.join('\n'));
    await shell('echo 0 >/proc/sys/net/ipv4/ip_forward');
    const archive = join(root, 'b.tar.gz');
    const made = await ctl('bundle', '--root', root, '--no-cloud', '--redact-accounts', '--out', archive, '-o', 'yaml');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(made.stdout).toMatch(/^path: .*\nbytes: \d+\nfiles:\n {2}- bundle\.json\n/);
    const files = readTar(gunzipSync(await readFile(archive)));
    const text = files.map(({ text: one }) => one).join('\n');
    for (const secret of [...SECRETS, ACCOUNT]) expect(text).not.toContain(secret);
    expect(text).toContain('account-1');
    expect((await runCommand('tar', ['-tzf', archive])).trim().split('\n')).toEqual(files.map(({ path }) => path));
    const paths = [
      'facts.json',
      'findings.json',
      'explain.json',
      'introspection/status.json',
      'introspection/calls.json',
    ];
    expect(files.map(({ path }) => path)).toEqual(
      expect.arrayContaining([
        ...paths,
        'metrics.txt',
        'journal-summary.json',
        'kernel/rules.txt',
        'kernel/nftables.txt',
      ]),
    );
    expect(files.find(({ path }) => path === 'kernel/rules.txt')?.text).toContain('lookup 8787');
    expect(files.find(({ path }) => path === 'explain.json')?.text).toContain('default/web');
    const live = await doctor();
    await shell('echo 1 >/proc/sys/net/ipv4/ip_forward');
    const { code, stdout } = await ctlAnywhere('analyze', archive, '--json');
    const offline = JSON.parse(stdout) as DoctorAnswer;
    expect(code).toBe(3);
    expect(offline.findings).toEqual(JSON.parse(files.find(({ path }) => path === 'findings.json')?.text ?? ''));
    const steady = (findings: readonly Finding[]) => findings.map(({ check, severity }) => ({ check, severity }));
    const own = ({ check }: Finding) => !['metadata', 'permissions'].includes(check);
    expect(steady(offline.findings.filter(own))).toEqual(steady(live.filter(own)));
    const traced = await ctlAnywhere('trace', 'web', '10.0.0.1', '--bundle', archive);
    expect(traced.code).toBe(3);
    expect(traced.stdout).toContain('Dropped at forwarding');

    const whole = await readFile(archive);
    await writeFile(join(root, 'cut.tar.gz'), whole.subarray(0, whole.length / 2));
    const refused = await ctlAnywhere('analyze', join(root, 'cut.tar.gz'));
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ends in the midst') });
    expect(refused.stderr).toMatch(/\ndo: {2}\S/);
    await rm(secretive);
  });

  it('traces by the name of the pod, with the word of the kernel, in every format', async () => {
    const { code, stdout } = await ctl('trace', 'default/web', '198.51.100.9', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      source: bed.pod.address,
      verdict: { kind: 'leaves the node', translated: true },
      kernel: { agrees: true },
    });
    expect((await ctl('trace', 'web', '10.0.1.1')).stdout).toMatch(
      /\nIt leaves by eth0 to 10\.0\.0\.1 with the source 10\.0\.0\.\d+\.\n/,
    );
    expect((await ctl('trace', 'web', '10.0.1.1', '-o', 'yaml')).stdout).toMatch(/^pod: default\/web\nsource: /);
    const unknown = await ctl('trace', 'default/wev', '10.0.0.1');
    expect(unknown).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('Nearest names: default/web'),
    });
  });

  it('works while ipamd is down, from its journal, and says so when it may not look', async () => {
    await node.stopDaemon('SIGKILL');
    const down = await doctor();
    expect(named(down, ['daemon', 'cni-socket'])).toEqual({ daemon: 'error', 'cni-socket': 'error' });
    expect(down).toContainEqual(expect.objectContaining({ check: 'pods', severity: 'ok' }));
    expect(JSON.parse((await ctl('trace', 'web', '10.0.1.1', '--json')).stdout)).toMatchObject({
      verdict: { kind: 'leaves the node' },
    });
    const journal = join(node.directory, 'state/journal');
    const { length } = await readFile(journal);
    await appendFile(journal, 'torn\nlines\nhere\n');
    expect(named(await doctor(), ['journal'])).toEqual({ journal: 'error' });
    await truncate(journal, length);
    const unprivileged = await bed.ctlUnprivileged('doctor', '--no-cloud', '--json');
    expect(unprivileged.stderr).toBe('');
    const { findings } = JSON.parse(unprivileged.stdout) as DoctorAnswer;
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'daemon', severity: 'unknown', cure: 'Run it as root.' }),
    );
    expect(findings).toContainEqual(expect.objectContaining({ check: 'kernel-features', severity: 'unknown' }));
    const refused = await bed.ctlUnprivileged('trace', 'web', '10.0.1.1');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Run it as root') });
  });
});
