import { describe, expect, it } from '@jest/globals';
import { instanceTypeRecords, instanceTypeTable } from './instance-types.ts';

/** Interfaces and IPv4 addresses per interface as the EC2 user guide lists them ("Maximum IP addresses per network interface"). */
const DOCUMENTED: Readonly<Record<string, readonly [number, number]>> = {
  't3.nano': [2, 2],
  't3.small': [3, 4],
  't3.medium': [3, 6],
  't2.micro': [2, 2],
  't4g.large': [3, 12],
  'm4.4xlarge': [8, 30],
  'm5.large': [3, 10],
  'm5.xlarge': [4, 15],
  'm5.24xlarge': [15, 50],
  'm7g.large': [3, 10],
  'm7g.medium': [2, 4],
  'c4.large': [3, 10],
  'c5.4xlarge': [8, 30],
  'c7i.metal-24xl': [15, 50],
  'r5.2xlarge': [4, 15],
  'p4d.24xlarge': [60, 50],
  'p5.48xlarge': [64, 50],
};

/**
 * Pods as EKS publishes them for the default network card (its eni-max-pods list): interfaces x (addresses - 1) + 2.
 * A second source for the same limits.
 */
const MAX_PODS: Readonly<Record<string, number>> = {
  'a1.medium': 8,
  'c4.large': 29,
  'c5.9xlarge': 234,
  'c5n.18xlarge': 737,
  'c6in.32xlarge': 394,
  'c7a.medium': 8,
  'c8g.48xlarge': 737,
  'd2.8xlarge': 234,
  'd3.xlarge': 10,
  'g4dn.xlarge': 29,
  'g5.48xlarge': 345,
  'g6e.48xlarge': 492,
  'hpc7g.16xlarge': 198,
  'i3en.large': 29,
  'i4i.32xlarge': 737,
  'inf1.24xlarge': 321,
  'inf1.xlarge': 38,
  'inf2.48xlarge': 737,
  'm1.small': 8,
  'm4.large': 20,
  'm6i.32xlarge': 737,
  'm7i-flex.large': 29,
  'm7i.4xlarge': 234,
  'm8g.medium': 8,
  'p3dn.24xlarge': 737,
  'p4de.24xlarge': 737,
  'p5.48xlarge': 100,
  'p5en.48xlarge': 198,
  'r4.16xlarge': 737,
  'r6i.xlarge': 58,
};

describe('the instance types', () => {
  it('are at least 60, with what EC2 documents', () => {
    const table = instanceTypeTable();
    expect(table.size).toBeGreaterThanOrEqual(60);
    for (const [name, limits] of Object.entries(DOCUMENTED)) {
      const record = instanceTypeRecords().get(name);
      expect([name, record?.maxInterfaces, record?.ipv4PerInterface]).toEqual([name, ...limits]);
      expect(table.get(name)?.ipv4PerInterface).toBe(limits[1]);
    }
  });

  it('agree with the pods that EKS computes of them', () => {
    const computed = Object.keys(MAX_PODS).map((name) => {
      const type = instanceTypeTable().get(name)!;
      return [
        name,
        type.networkCards[type.defaultNetworkCardIndex]!.maximumInterfaces * (type.ipv4PerInterface - 1) + 2,
      ];
    });
    expect(Object.fromEntries(computed)).toEqual(MAX_PODS);
  });

  it('are consistent in themselves', () => {
    for (const record of instanceTypeRecords().values()) {
      const sum = record.networkCards.reduce((total, card) => total + card.maxInterfaces, 0);
      expect([record.instanceType, sum]).toEqual([record.instanceType, record.maxInterfaces]);
      expect([record.instanceType, record.hypervisor === null]).toEqual([record.instanceType, record.bareMetal]);
      expect(record.networkCards.map((card) => card.index)).toEqual(record.networkCards.map((_, index) => index));
      expect(record.ipv6PerInterface > 0).toBe(record.ipv6Supported);
      expect(record.architectures.length).toBeGreaterThan(0);
    }
  });

  it('know Xen, Nitro, Arm and bare metal apart', () => {
    const table = instanceTypeTable();
    expect(['m4.4xlarge', 'm5.large', 'c7i.metal-24xl'].map((name) => table.get(name)?.hypervisor)).toEqual([
      'xen',
      'nitro',
      'unknown',
    ]);
    expect(table.get('c7i.metal-24xl')?.bareMetal).toBe(true);
    expect(instanceTypeRecords().get('m7g.large')?.architectures).toEqual(['arm64']);
  });
});
