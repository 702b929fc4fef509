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
/** Of the node's first ENI; the second has none of its own, as an ENI that came for its prefixes. */
export const PRIMARY_IPV6 = '2001:db8:0:1::10';
export const OUTSIDE_IPV6 = '2001:db8:ffff::2';
/** A host of the VPC behind the fabric, and its router's. */
const IPV6_GATEWAY = 'fe80:ec2::1';
export const FABRIC_IPV6 = '2001:db8:0:9::1';
/** Where the fabric finds the ENIs: link-local addresses by EUI-64 of their MACs. */
const PRIMARY_LINK_LOCAL = 'fe80::57:ff:fe00:1';
const SECONDARY_LINK_LOCAL = 'fe80::57:ff:fe00:2';

/** How long an answer may take; an emulated processor takes its time (test/vm/main.ts). */
const ANSWER_MS = 10_000;
/** Long enough for what would be answered, and lost where it is: a wrong answer that is later still goes unseen. */
export const SILENCE_MS = process.env['WELLSPRING_IN_VM'] === undefined ? 700 : 10_000;

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
    const isIpv6 = address.includes(':');
    const primary = `via ${isIpv6 ? PRIMARY_LINK_LOCAL : PRIMARY_ADDRESS} dev f0`;
    const secondary = `via ${isIpv6 ? SECONDARY_LINK_LOCAL : SECONDARY_ADDRESS} dev f1`;
    this.ip('fabric', `route replace ${address} ${eni === 'primary' ? primary : secondary}`);
  }

  /** A UDP server, of both families, that answers with the source it saw and remembers `source payload`. */
  async echo(short: string, port: number): Promise<readonly string[]> {
    const script = `
      const s = require('node:dgram').createSocket('udp6');
      s.on('message', (m, r) => {
        const seen = r.address.replace('::ffff:', '');
        console.log(seen + ' ' + m);
        s.send(seen, r.port, r.address);
      });
      s.bind(${port}, '::', () => console.log('ready'));`;
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

  /** `probe` where no answer is expected, so that waiting for it would cost. */
  probeInVain(short: string, address: string, port: number, payload = 'x', source = ''): Promise<string> {
    return this.probe(short, address, port, payload, source, SILENCE_MS);
  }

  /** Sends a datagram and returns the answer, or `timeout`. */
  async probe(
    short: string,
    address: string,
    port: number,
    payload = 'x',
    source = '',
    answerMs = ANSWER_MS,
  ): Promise<string> {
    const script = `
      const s = require('node:dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}');
      s.on('message', (m) => { console.log(String(m)); process.exit(0); });
      s.on('error', (e) => { console.log(e.code); process.exit(0); });
      s.bind({ port: 0${source === '' ? '' : `, address: '${source}'`} }, () => s.send('${payload}', ${port}, '${address}'));
      setTimeout(() => { console.log('timeout'); process.exit(0); }, ${answerMs});`;
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    await once(child, 'close');
    return output.trim();
  }

  /** One socket that stays open: each call sends a datagram by it and returns the answer, or `timeout`. */
  converse(short: string, address: string, port: number): (answerMs?: number) => Promise<string> {
    const script = `
      const s = require('node:dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}');
      let timer;
      s.on('message', (m) => { clearTimeout(timer); console.log(String(m)); });
      process.stdin.on('data', (answerMs) => {
        s.send('more', ${port}, '${address}');
        timer = setTimeout(() => console.log('timeout'), Number(answerMs));
      });`;
    const child = spawn('ip', ['netns', 'exec', this.name(short), process.execPath, '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const reader = createInterface({ input: child.stdout });
    return async (answerMs = ANSWER_MS) => {
      const answer = once(reader, 'line');
      child.stdin.write(`${answerMs}\n`);
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
    this.ip('node', 'link set eth0 addrgenmode none');
    this.ip('node', 'link set lo up');
    this.ip('node', `addr add ${PRIMARY_ADDRESS}/24 dev eth0`);
    this.ip('node', 'link set eth0 up');
    this.ip('node', 'route add default via 10.0.0.1');
    this.ip('fabric', 'link set lo up');
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
    this.#buildIpv6();
  }

  /** The fabric routes IPv6 and drops what comes from the wrong ENI, as EC2's source check does. */
  #buildIpv6(): void {
    this.ip('node', `addr add ${PRIMARY_IPV6}/128 dev eth0 nodad`);
    this.ip('node', `addr add ${PRIMARY_LINK_LOCAL}/64 dev eth0 nodad`);
    this.ip('node', `route add default via ${IPV6_GATEWAY} dev eth0 proto ra`);
    for (const link of ['f0', 'f1']) this.ip('fabric', `addr add ${IPV6_GATEWAY}/64 dev ${link} nodad`);
    this.ip('fabric', `addr add ${FABRIC_IPV6}/128 dev lo`);
    this.ip('fabric', `neigh add ${PRIMARY_LINK_LOCAL} lladdr ${PRIMARY_MAC} dev f0 nud permanent`);
    this.ip('fabric', `neigh add ${SECONDARY_LINK_LOCAL} lladdr ${SECONDARY_MAC} dev f1 nud permanent`);
    this.assign(PRIMARY_IPV6, 'primary');
    this.ip('fabric', 'addr add 2001:db8:ffff::1/64 dev out nodad');
    // From where it looks for the outside host; the kernel's own address is good after a second only.
    this.ip('fabric', 'addr add fe80::1/64 dev out nodad');
    this.ip('outside', `addr add ${OUTSIDE_IPV6}/64 dev eth0 nodad`);
    this.ip('outside', 'route add default via 2001:db8:ffff::1 dev eth0');
    this.exec('fabric', 'sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
    const check = 'type filter hook prerouting priority raw; iifname { "f0", "f1" } ip6 saddr != fe80::/10';
    this.exec('fabric', 'nft', `table inet check { chain pre { ${check} fib saddr . iif oif missing drop; }; }`);
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
