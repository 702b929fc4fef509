/** A cluster for one test file: unique names, a temporary directory, everything gone afterwards. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cniBinary } from './cni-binary.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { daemonProgram } from './daemon-program.ts';

/** Short enough for tests; every one is a setting an operator could choose. */
const QUICK = { IP_COOLDOWN_PERIOD: '1', WELLSPRING_ENI_MINIMUM_AGE: '1' };
let sequence = 0;

export async function testCluster(
  options: Partial<Omit<ClusterOptions, 'prefix' | 'workDirectory' | 'cniBinary' | 'routerNetns'>> = {},
): Promise<Cluster> {
  sequence += 1;
  const prefix = `w${process.pid.toString(36)}${sequence}-`;
  const workDirectory = await mkdtemp(join(tmpdir(), 'wellspring-test-'));
  const cluster = await Cluster.create({
    instanceTypes: ['m5.large'],
    program: daemonProgram(),
    ...options,
    env: { ...QUICK, ...options.env },
    prefix,
    workDirectory,
    cniBinary: await cniBinary(),
    routerNetns: `${prefix}vpc`,
  });
  cluster.afterwards(() => rm(workDirectory, { recursive: true, force: true }));
  return cluster;
}
