/** ipamd from the chart, as a DaemonSet; on it the cluster's DNS, and the conformance specs of sig-network by Kubernetes' own test program. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { KubernetesBed } from './cluster/bed.ts';
import { startDns } from './cluster/dns.ts';
import { fromTheChart } from './cluster/from-the-chart.ts';
import { CLUSTER_NEEDS } from './cluster/needs.ts';
import { conformanceSpecs, runSpecs, type SpecResult } from './conformance/run.ts';
import { SPECS } from './conformance/specs.data.ts';

const BUILD_MS = 60 * 60_000;
const SPECS_MS = 40 * 60_000;

describeWith(CLUSTER_NEEDS, 'the chart’s DaemonSet', () => {
  let directory: string;
  let bed: KubernetesBed;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-conformance-'));
    bed = await KubernetesBed.create({ as: 'daemon-set' });
    await startDns(bed);
  }, BUILD_MS);
  afterAll(async () => {
    try {
      await bed?.[Symbol.asyncDispose]();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 300_000);

  fromTheChart(() => bed);

  describe('under the conformance specs of sig-network', () => {
    const results = new Map<string, SpecResult>();
    beforeAll(async () => {
      for (const result of await runSpecs(bed, SPECS, directory)) results.set(result.name, result);
    }, SPECS_MS);

    it('leaves none of them out', async () => {
      expect(await conformanceSpecs()).toEqual([...SPECS].sort());
    });

    it.each(SPECS)('%s', (name) => {
      expect(results.get(name)).toMatchObject({ state: 'passed', failure: '' });
    });
  });
});
