// The entry of every npm script. It runs on whatever Node the machine has (16 or newer), brings the checkout into a
// state in which the pinned Node and all packages are there, and hands over. All it has to say goes to standard error.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'node_modules', '.wellspring-install');
const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node');

/** Command (or file) -> the Debian package that has it. `need: true` where the command cannot do without. */
const RUN = [
  { tool: 'ip', package: 'iproute2', need: true },
  { tool: 'nsenter', package: 'util-linux', need: true },
  { tool: 'nft', package: 'nftables', need: false },
  { tool: 'gcc', package: 'gcc', need: false },
  { tool: '/usr/include/stdlib.h', package: 'libc6-dev', need: false },
  { tool: 'musl-gcc', package: 'musl-tools', need: false },
  { tool: 'cargo', package: 'cargo', need: false },
];
const BUILDERS = new Set(['gcc', 'musl-gcc', 'cargo', '/usr/include/stdlib.h']);
const TEST = [
  ...RUN,
  { tool: 'ping', package: 'iputils-ping', need: false },
  { tool: 'conntrack', package: 'conntrack', need: false },
  { tool: 'containerd', package: 'containerd', need: false },
  { tool: 'runc', package: 'runc', need: false },
  { tool: '/usr/lib/cni/loopback', package: 'containernetworking-plugins', need: false },
];
const BENCH = [...RUN, { tool: '/usr/lib/cni/ptp', package: 'containernetworking-plugins', need: false }];
const KUBERNETES = [
  { tool: 'etcd', package: 'etcd-server', need: false },
  { tool: 'iptables', package: 'iptables', need: false },
  { tool: 'curl', package: 'curl', need: false },
  { tool: 'dig', package: 'bind9-dnsutils', need: false },
  { tool: 'nc', package: 'netcat-openbsd', need: false },
];
const MACHINE = [
  ...RUN,
  { tool: 'conntrack', package: 'conntrack', need: false },
  ...KUBERNETES,
  { tool: 'ipvsadm', package: 'ipvsadm', need: false },
  { tool: 'ipset', package: 'ipset', need: false },
  { tool: 'qemu-system-x86_64', package: 'qemu-system-x86', need: false },
  { tool: '/bin/busybox', package: 'busybox-static', need: false },
  { tool: 'cpio', package: 'cpio', need: false },
  { tool: 'depmod', package: 'kmod', need: false },
  { tool: 'xz', package: 'xz-utils', need: false },
];

const jest = [
  '--experimental-vm-modules',
  '--no-warnings',
  'node_modules/jest/bin/jest.js',
  '--config',
  'jest.config.mjs',
];
const COMMANDS = {
  demo: { packages: RUN, node: ['--no-warnings', 'tools/demo/main.ts'] },
  test: { packages: TEST, node: jest },
  'test:long': { packages: TEST, node: [...jest.slice(0, -1), 'test/long/jest.config.mjs'] },
  'test:kubernetes': {
    packages: [...TEST, ...KUBERNETES, { tool: 'prometheus', package: 'prometheus', need: false }],
    node: [...jest.slice(0, -1), 'test/kubernetes/jest.config.mjs'],
  },
  'test:localstack': {
    packages: [...TEST, { tool: 'python3', package: 'python3-venv', need: false }],
    node: ['--no-warnings', 'test/localstack/main.ts'],
  },
  'test:vm': { packages: MACHINE, node: ['--no-warnings', 'test/vm/main.ts'] },
  bench: { packages: BENCH, node: ['--no-warnings', 'test/bench/main.ts'] },
  fault: { packages: [], node: ['--no-warnings', 'test/fault/main.ts'] },
  check: { packages: [], node: ['tools/check.mjs'] },
  lint: { packages: [], node: ['tools/check.mjs', 'lint'] },
  fix: { packages: [], node: ['tools/check.mjs', 'fix'] },
  ctl: { packages: [], node: ['--no-warnings', 'ipamd/ctl/main.ts'] },
  cloud: { packages: [], node: ['--no-warnings', 'cloud/emulator/main.ts'] },
  ipamd: { packages: [], node: ['--no-warnings', 'ipamd/main.ts'] },
  build: { packages: RUN, node: ['--no-warnings', 'tools/build.ts'] },
  image: { packages: RUN.filter(({ tool }) => BUILDERS.has(tool)), node: ['--no-warnings', 'tools/build-image.ts'] },
};

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

function has(tool) {
  if (tool.startsWith('/')) return existsSync(tool);
  return (process.env.PATH ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((dir) => existsSync(join(dir, tool)));
}

/** Runs to the end; its standard output joins our standard error. */
function run(command, args, env = process.env) {
  return spawnSync(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] }).status === 0;
}

function installPackages() {
  const want = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const current = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  if (current === want && existsSync(pinnedNode)) return;
  say('Setting up: npm ci (once, about half a minute) ...');
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])) {
    fail('npm ci failed; its messages are above. Check the network and run the command again.');
  }
  writeFileSync(stamp, want);
}

function installSystemPackages(wanted) {
  const missing = wanted.filter((entry) => !has(entry.tool));
  if (missing.length === 0) return;
  const names = missing.map((entry) => entry.package).join(' ');
  const isRoot = process.getuid?.() === 0;
  if (isRoot && has('apt-get')) {
    say(`Setting up: apt-get install ${names} ...`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    run('apt-get', ['update', '-qq'], env);
    for (const entry of missing) {
      run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', entry.package], env);
    }
  }
  const still = missing.filter((entry) => !has(entry.tool));
  const needed = still.filter((entry) => entry.need);
  if (needed.length > 0) {
    fail(
      `This needs ${needed.map((entry) => entry.tool).join(', ')}: install ${needed.map((entry) => entry.package).join(' ')} and run the command again.`,
    );
  }
  // A compiler that is missing matters only where the CNI binary is still to be built.
  const built = existsSync(join(root, 'dist', 'wellspring-cni'));
  const without = still.filter((entry) => !(built && BUILDERS.has(entry.tool)));
  if (without.length > 0) {
    say(`Not here, done without: ${without.map((entry) => `${entry.tool} (${entry.package})`).join(', ')}.`);
  }
}

function handOver(args) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(':');
  const child = spawn(pinnedNode, args, { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } });
  // A terminal signals the whole process group; a signal sent to this process alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // npm may be killed alone; what it started must not go on without it.
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 500).unref();
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
  child.on('error', (error) => fail(`cannot start ${pinnedNode}: ${error.message}`));
}

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) fail(`unknown command ${name}; there are: ${Object.keys(COMMANDS).join(', ')}`);
if (process.platform !== 'linux') fail(`Wellspring runs on Linux; this is ${process.platform}.`);
installPackages();
installSystemPackages(command.packages);
handOver([...command.node, ...args]);
