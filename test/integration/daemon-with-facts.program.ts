/**
 * ipamd with the API server's word taken from a file (WELLSPRING_TEST_FACTS, JSON), so that a test can say what it wants the
 * daemon to know, and change it. Everything else is as in ipamd/main.ts.
 */
import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createInstanceMetadata } from '#cloud/aws/instance-metadata.ts';
import { parseConfig } from '#ipamd/config/config.ts';
import { startDaemon } from '#ipamd/daemon.ts';
import {
  type ClusterPod,
  type ClusterView,
  type EniConfigLookup,
  WITHOUT_CLUSTER,
} from '#ipamd/kubernetes/cluster-view.ts';
import { createLog } from '#ipamd/observe/log.ts';

export interface Facts {
  readonly eniConfig?: EniConfigLookup;
  readonly schedulable?: boolean;
  /** By `namespace/name`. */
  readonly podAnnotations?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** By `namespace/name`. */
  readonly pods?: Readonly<Record<string, ClusterPod>>;
}

function viewOf(path: string): ClusterView {
  let facts: Facts = {};
  const listeners = new Set<() => void>();
  const read = () => {
    facts = JSON.parse(readFileSync(path, 'utf8')) as Facts;
    for (const listener of listeners) listener();
  };
  read();
  // The test renames a finished file into place, which is an event of the directory.
  watch(dirname(path), (_event, name) => name === basename(path) && read());
  return {
    ...WITHOUT_CLUSTER,
    eniConfig: () => facts.eniConfig ?? { kind: 'unknown' },
    schedulable: () => facts.schedulable,
    podAnnotations: (namespace, name) => facts.podAnnotations?.[`${namespace}/${name}`],
    pod: (namespace, name) => facts.pods?.[`${namespace}/${name}`],
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

async function main(): Promise<void> {
  const stop = new AbortController();
  process.once('SIGTERM', () => stop.abort(new Error('SIGTERM')));
  const config = parseConfig(process.env);
  await using _daemon = await startDaemon({
    config,
    log: createLog({ level: 'debug', destination: 'stderr' }),
    bootId: process.env['WELLSPRING_BOOT_ID'] ?? 'boot',
    version: '0.0.0-test',
    metadata: createInstanceMetadata(process.env),
    signal: stop.signal,
    clusterView: viewOf(process.env['WELLSPRING_TEST_FACTS'] ?? ''),
  });
  if (!stop.signal.aborted) await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
