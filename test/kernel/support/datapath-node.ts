/**
 * A node in network namespaces, for tests of the datapath: the node with a primary and a secondary ENI (veth), a fabric
 * that routes between them as the VPC does and drops what does not come from the ENI that has the address, and a host
 * outside. Everything bears a prefix with this process's id and is gone after disposal.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export const PRIMARY_MAC = '02:57:00:00:00:01';
export const SECONDARY_MAC = '02:57:00:00:00:02';
export const PRIMARY_ADDRESS = '10.0.0.10';
export const SECONDARY_ADDRESS = '10.0.1.10';
export const OUTSIDE_ADDRESS = '198.51.100.2';

/** Runs a command and returns its standard output. */
export function run(command: string, ...args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

let count = 0;

/** The namespaces of one test. */
export class TestNode implements Disposable {
  readonly prefix: string;
  readonly #namespaces: string[] = [];
  readonly #children: ChildProcess[] = [];

  constructor() {
    count += 1;
    this.prefix = `wsdp${process.pid}x${count}`;
    try {
      this.#build();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Full name of a namespace of this test. */
  name(short: string): string {
    return `${this.prefix}-${short}`;
  }

  /** Path of a namespace of this test. */
  path(short: string): string {
    return `/var/run/netns/${this.name(short)}`;
  }

  /** Makes an empty namespace, as a runtime does for a sandbox; returns its path. */
  addNamespace(short: string): string {
    run('ip', 'netns', 'add', this.name(short));
    this.#namespaces.push(short);
    return this.path(short);
  }

  /** Removes a namespace before its time. */
  removeNamespace(short: string): void {
    run('ip', 'netns', 'del', this.name(short));
    this.#namespaces.splice(this.#namespaces.indexOf(short), 1);
  }

  /** `ip -n <namespace> ...` */
  ip(short: string, args: string): string {
    return run('ip', '-n', this.name(short), ...args.split(' '));
  }

  /** Any command within a namespace. */
  exec(short: string, ...args: readonly string[]): string {
    return run('ip', 'netns', 'exec', this.name(short), ...args);
  }

  /** The fabric sends an address to one of the node's ENIs. */
  assign(address: string, eni: 'primary' | 'secondary'): void {
    const route = eni === 'primary' ? `via ${PRIMARY_ADDRESS} dev f0` : `via ${SECONDARY_ADDRESS} dev f1`;
    this.ip('fabric', `route replace ${address}/32 ${route}`);
  }

  /** A UDP server that answers with the source it saw and remembers `source payload`. */
  async echo(short: string, port: number): Promise<readonly string[]> {
    const script = `
      const s = require('node:dgram').createSocket('udp4');
      s.on('message', (m, r) => { console.log(r.address + ' ' + m); s.send(r.address, r.port, r.address); });
      s.bind(${port}, '0.0.0.0', () => console.log('ready'));`;
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout });
    await once(reader, 'line');
    reader.on('line', (line) => lines.push(line));
    return lines;
  }

  /** Sends a datagram and returns the answer, or `timeout`. */
  async probe(short: string, address: string, port: number, payload = 'x', source = '0.0.0.0'): Promise<string> {
    const script = `
      const s = require('node:dgram').createSocket('udp4');
      s.on('message', (m) => { console.log(String(m)); process.exit(0); });
      s.on('error', (e) => { console.log(e.code); process.exit(0); });
      s.bind(0, '${source}', () => s.send('${payload}', ${port}, '${address}'));
      setTimeout(() => { console.log('timeout'); process.exit(0); }, 700);`;
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    await once(child, 'close');
    return output.trim();
  }

  /** One socket that stays open: each call sends a datagram by it and returns the answer, or `timeout`. */
  converse(short: string, address: string, port: number): () => Promise<string> {
    const script = `
      const s = require('node:dgram').createSocket('udp4');
      let timer;
      s.on('message', (m) => { clearTimeout(timer); console.log(String(m)); });
      process.stdin.on('data', () => {
        s.send('more', ${port}, '${address}');
        timer = setTimeout(() => console.log('timeout'), 700);
      });`;
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const reader = createInterface({ input: child.stdout });
    return async () => {
      const answer = once(reader, 'line');
      child.stdin.write('.');
      return String((await answer)[0]);
    };
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const short of this.#namespaces) run('ip', 'netns', 'del', this.name(short));
    this.#namespaces.length = 0;
  }

  #build(): void {
    for (const short of ['node', 'fabric', 'outside']) this.addNamespace(short);
    this.#wire('node', 'eth0', 'fabric', 'f0');
    this.#wire('node', 'eth1', 'fabric', 'f1');
    this.#wire('outside', 'eth0', 'fabric', 'out');
    this.ip('node', `link set eth0 address ${PRIMARY_MAC}`);
    this.ip('node', `link set eth1 address ${SECONDARY_MAC}`);
    this.ip('node', 'link set lo up');
    this.ip('node', `addr add ${PRIMARY_ADDRESS}/24 dev eth0`);
    this.ip('node', 'link set eth0 up');
    this.ip('node', 'route add default via 10.0.0.1');
    this.ip('fabric', 'addr add 10.0.0.1/24 dev f0');
    this.ip('fabric', 'addr add 10.0.1.1/24 dev f1');
    this.ip('fabric', 'addr add 198.51.100.1/24 dev out');
    for (const link of ['f0', 'f1', 'out']) this.ip('fabric', `link set ${link} up`);
    this.ip('outside', `addr add ${OUTSIDE_ADDRESS}/24 dev eth0`);
    this.ip('outside', 'link set eth0 up');
    this.ip('outside', `route add ${PRIMARY_ADDRESS}/32 via 198.51.100.1`);
    this.exec(
      'fabric',
      'sh',
      '-c',
      'echo 1 >/proc/sys/net/ipv4/ip_forward; for l in f0 f1; do echo 1 >/proc/sys/net/ipv4/conf/$l/rp_filter; done',
    );
  }

  #wire(left: string, leftLink: string, right: string, rightLink: string): void {
    run(
      'ip',
      'link',
      'add',
      leftLink,
      'netns',
      this.name(left),
      'type',
      'veth',
      'peer',
      'name',
      rightLink,
      'netns',
      this.name(right),
    );
  }
}
