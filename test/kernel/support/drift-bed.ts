/** A node whose drift is repaired while it is damaged: what was reported, what traffic noticed, what the kernel holds. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Drift, DriftRepair, DriftReport, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { until } from '#test/support/until.ts';
import type { DatapathFixture } from './datapath-fixture.ts';
import { PRIMARY_IPV6 } from './datapath-node.ts';

export const ECHO_PORT = 7000;
const EVERY_MS = 20;

/** A stream of numbered datagrams that are answered. */
export interface Stream {
  /** Answers so far. */
  readonly answered: () => number;
  /** The longest time without an answer since it began, the time until now included, in milliseconds. */
  readonly longestGap: () => number;
  /** Forgets what was. */
  readonly restart: () => void;
}

/** See the file's comment; disposed of before the fixture's node. */
export class DriftBed implements AsyncDisposable {
  readonly #fixture: DatapathFixture;
  readonly #children: ChildProcess[] = [];
  readonly reports: DriftReport[] = [];
  readonly pods: readonly PodAttachment[];
  repair: DriftRepair;

  private constructor(fixture: DatapathFixture, pods: readonly PodAttachment[]) {
    this.#fixture = fixture;
    this.pods = pods;
    this.repair = this.#begin();
  }

  /** Repairs anew, with no memory of what was repaired before: nothing is held back. */
  async renew(): Promise<void> {
    await this.repair[Symbol.asyncDispose]();
    this.repair = this.#begin();
    await until('the first comparison is over', 5000, () => this.repair.comparisons > 0);
  }

  #begin(): DriftRepair {
    const repair = this.#fixture.datapath.repairDrift?.((report) => this.reports.push(report));
    if (repair === undefined) throw new Error('this datapath repairs nothing');
    return repair;
  }

  /** A dual-stack node with a pod on each ENI, the second with host ports; its first comparison is over. */
  static async open(fixture: DatapathFixture): Promise<DriftBed> {
    await fixture.setUp(DUAL);
    const first = await fixture.addPod('a', ['10.0.0.21', '2001:db8:0:1:a::21']);
    fixture.node.addNamespace('b');
    const second: PodAttachment = {
      ...fixture.attachment('b', ['10.0.1.22', '2001:db8:0:2:b::22'], 1),
      portMappings: [{ hostPort: 8080, containerPort: ECHO_PORT, protocol: 'udp', hostIp: undefined }],
    };
    for (const address of second.addresses) fixture.node.assign(address, 'secondary');
    await fixture.datapath.addPod(second);
    const bed = new DriftBed(fixture, [first, second]);
    await until('the first comparison is over', 5000, () => bed.repair.comparisons > 0);
    return bed;
  }

  /** All that was found, of all reports. */
  get drifts(): readonly Drift[] {
    return this.reports.flatMap(({ drifts }) => drifts);
  }

  /** Sends from a namespace to the echo server of another, fifty times a second. */
  async stream(from: string, address: string, port = ECHO_PORT): Promise<Stream> {
    const script = `
      const s = require('node:dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}');
      s.on('message', () => console.log('.'));
      s.on('error', () => {});
      setInterval(() => s.send('x', ${port}, '${address}', () => {}), ${EVERY_MS});`;
    const child = spawn('ip', ['netns', 'exec', this.#fixture.node.name(from), process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#children.push(child);
    let answered = 0;
    let last = performance.now();
    let longest = 0;
    const seen = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      return now;
    };
    createInterface({ input: child.stdout }).on('line', () => {
      last = seen();
      answered += 1;
    });
    const stream: Stream = {
      answered: () => answered,
      longestGap: () => {
        seen();
        return longest;
      },
      restart: () => {
        [answered, last, longest] = [0, performance.now(), 0];
      },
    };
    await until(`traffic from ${from} to ${address}`, 10_000, () => answered > 2);
    return stream;
  }

  /** What the kernel holds of the node, as text, counters left out. */
  state(): readonly string[] {
    const { node } = this.#fixture;
    const sysctls = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', 'net.ipv4.conf.eth1.rp_filter'].map(
      (name) => node.exec('node', 'sysctl', name),
    );
    // Whether there is a carrier comes and goes by itself.
    const passing = / qdisc \S+| gso_max.*| qlen \d+|NO-CARRIER,|,LOWER_UP| state \S+|,M-DOWN/g;
    const links = node.ip('node', '-d -o link').replaceAll(passing, '');
    return (
      [...this.#fixture.hostState(), ...sysctls, ...links.split('\n')]
        .map((line) => line.trim().replaceAll(/packets \d+ bytes \d+/g, 'packets N bytes N'))
        // The kernel's rule to its empty table `default` is nothing to us.
        .filter((line) => line !== '' && !line.startsWith('32767:'))
        .toSorted()
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await this.repair[Symbol.asyncDispose]();
  }
}

const DUAL = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 } as const;
