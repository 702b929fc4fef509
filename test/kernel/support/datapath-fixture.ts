/** One node with an open datapath for each test of a file, and the values that the tests set it up with. */
import { afterEach, beforeEach } from '@jest/globals';
import type { Datapath, HostConfig, HostInterface, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { createKernelDatapath, type KernelDatapathOptions } from '#ipamd/datapath/kernel-datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { PRIMARY_ADDRESS, PRIMARY_MAC, SECONDARY_ADDRESS, SECONDARY_MAC, TestNode } from './datapath-node.ts';

export const hostConfig: HostConfig = {
  primaryMac: PRIMARY_MAC,
  primaryAddress: PRIMARY_ADDRESS,
  noSnatCidrs: ['10.0.0.0/16'],
  externalSnat: false,
  randomizeSnat: 'prng',
  nodePortSupport: true,
  eniMtu: 1500,
};

export const secondaryInterface: HostInterface = {
  id: 'eni-2',
  mac: SECONDARY_MAC,
  primaryAddress: SECONDARY_ADDRESS,
  subnetCidr: '10.0.1.0/24',
  deviceIndex: 1,
  networkCardIndex: 0,
};

/** Registers the hooks; the members are valid within a test. */
export class DatapathFixture {
  #node: TestNode | undefined;
  #open: Datapath[] = [];

  constructor() {
    beforeEach(async () => {
      this.#node = new TestNode();
      await this.open();
    });
    afterEach(async () => {
      try {
        for (const datapath of this.#open) await datapath[Symbol.asyncDispose]();
      } finally {
        this.#open = [];
        this.#node?.[Symbol.dispose]();
      }
    });
  }

  get node(): TestNode {
    if (this.#node === undefined) throw new Error('only within a test');
    return this.#node;
  }

  get datapath(): Datapath {
    const datapath = this.#open.at(-1);
    if (datapath === undefined) throw new Error('only within a test');
    return datapath;
  }

  /** Opens a further datapath on the same node, as a restarted daemon does; `datapath` is that one from now on. */
  async open(options: KernelDatapathOptions = {}): Promise<Datapath> {
    const datapath = await createKernelDatapath({ hostNetns: this.node.path('node'), ...options });
    this.#open.push(datapath);
    return datapath;
  }

  async setUp(changes: Partial<HostConfig> = {}): Promise<void> {
    await this.datapath.setUpHost({ ...hostConfig, ...changes });
    await this.datapath.setUpInterface(secondaryInterface);
  }

  attachment(short: string, addresses: string | readonly string[], deviceIndex = 0): PodAttachment {
    const containerId = `${short}-sandbox`;
    return {
      containerId,
      ifName: 'eth0',
      netns: this.node.path(short),
      addresses: typeof addresses === 'string' ? [addresses] : addresses,
      hostIfName: hostIfName('eni', containerId, 'eth0'),
      deviceIndex,
      networkCardIndex: 0,
      mtu: 1400,
    };
  }

  /** A namespace with a pod in it, to whose ENI the fabric sends its addresses. */
  async addPod(short: string, addresses: string | readonly string[], deviceIndex = 0): Promise<PodAttachment> {
    this.node.addNamespace(short);
    const pod = this.attachment(short, addresses, deviceIndex);
    for (const address of pod.addresses) this.node.assign(address, deviceIndex === 0 ? 'primary' : 'secondary');
    await this.datapath.addPod(pod);
    return pod;
  }

  async deletePod(pod: PodAttachment): Promise<void> {
    await this.datapath.deletePod({ hostIfName: pod.hostIfName, addresses: pod.addresses });
    await this.datapath.settled();
  }

  /** All that a datapath may change on the host, as text; of IPv6 what comes and goes by itself is left out. */
  hostState(): readonly string[] {
    const links = this.node.ip('node', '-o link').replaceAll(/^\d+: | qdisc .*| mtu |<.*>/gm, ' ');
    const ipv4 = ['-4 rule', '-4 route show table all', '-4 -o addr'];
    const ipv6 = ['-6 rule', '-6 route show table all proto 87', '-6 -o addr show scope global'];
    const rest = [...ipv4, ...ipv6, 'neigh show nud permanent'].map((args) => this.node.ip('node', args));
    const rules = this.node.exec('node', 'nft', 'list', 'ruleset');
    return [links, ...rest, rules]
      .flatMap((text) => text.split('\n').map((line) => line.trim()))
      .filter((line) => line !== '')
      .toSorted();
  }
}
