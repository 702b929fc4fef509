/** The API server's word for a node whose daemon is test/integration/daemon-with-facts.program.ts. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from '#test/integration/daemon-with-facts.program.ts';
import type { ClusterNode } from './cluster-node.ts';
import { daemonProgram } from './daemon-program.ts';

/** What node is given to run such a daemon. */
export const programWithFacts = (): readonly string[] => daemonProgram('daemon-with-facts');

/** Says it, before the daemon starts or while it runs. The environment for `startDaemon`. */
export function say(node: ClusterNode, facts: Facts): Readonly<Record<string, string>> {
  const path = join(node.directory, 'facts.json');
  writeFileSync(`${path}.new`, JSON.stringify(facts));
  renameSync(`${path}.new`, path);
  return { WELLSPRING_TEST_FACTS: path };
}
