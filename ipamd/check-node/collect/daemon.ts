/** Whether the daemon answers, what it says of itself, and what its journal says while it does not. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { decodeJournal, replay, type StoredAssignment } from '../../store/records.ts';
import { addressesOf } from '#warm-pool/ledger.ts';
import type { DaemonFacts, JournalFact, JournalPod, Known, Reach } from '../facts.ts';
import { reasonOf } from './cni-files.ts';

/** Introspection pages that bundles hold and rules judge. */
export const PAGES = [
  '/v1/status',
  '/v1/enis',
  '/v1/pods',
  '/v1/subnets',
  '/v1/plan',
  '/v1/calls',
  '/v1/drift',
  '/v1/max-pods',
  '/v1/ipamd-env-settings',
];
const LIMIT_MS = 5000;

export interface DaemonPlaces {
  readonly cniSocket: string;
  readonly introspectSocket: string;
  readonly stateDirectory: string;
  readonly spoolDirectory: string;
}

export async function collectDaemon(places: DaemonPlaces): Promise<DaemonFacts> {
  const { cniSocket, introspectSocket, stateDirectory, spoolDirectory } = places;
  const introspectReach = await reachOf(introspectSocket);
  const pages: Record<string, unknown> = {};
  // One after the other: the daemon has pods to serve.
  if (introspectReach.ok)
    for (const path of PAGES) {
      const page = await pageOf(introspectSocket, path);
      if (page !== undefined) pages[path] = page;
    }
  return {
    cniSocket,
    cniReach: await reachOf(cniSocket),
    introspectSocket,
    introspectReach,
    pages,
    stateDirectory,
    journal: await journalFact(stateDirectory),
    spooled: await countFiles(spoolDirectory),
  };
}

/** Connects and hangs up: a daemon that is stopped (SIGSTOP) still accepts, and is found by its pages. */
function reachOf(path: string): Promise<Reach> {
  const from = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ path });
    const end = (reach: Reach): void => {
      socket.destroy();
      resolve(reach);
    };
    socket.setTimeout(LIMIT_MS, () => end({ ok: false, why: `no answer within ${LIMIT_MS / 1000} s` }));
    socket.on('connect', () => end({ ok: true, ms: Math.round(performance.now() - from) }));
    socket.on('error', (error) => end({ ok: false, why: reasonOf(error) }));
  });
}

/** undefined: no answer, or none that is JSON. */
function pageOf(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path, signal: AbortSignal.timeout(LIMIT_MS) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('error', () => resolve(undefined));
      response.on('end', () => resolve(response.statusCode === 200 ? jsonOf(body) : undefined));
    });
    call.on('error', () => resolve(undefined));
    call.end();
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function journalFact(stateDirectory: string): Promise<Known<JournalFact>> {
  try {
    const text = await readFile(join(stateDirectory, 'journal'), 'utf8');
    const { records, damaged } = decodeJournal(text);
    const state = replay(records);
    const bootId =
      process.env['WELLSPRING_BOOT_ID'] ?? (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const { bavail, bsize } = await statfs(stateDirectory);
    return {
      value: {
        bytes: Buffer.byteLength(text),
        records: records.length,
        damaged,
        sameBoot: state.bootId === bootId,
        pods: [...state.assignments.values(), ...state.branches.values()].map(journalPod),
        enis: [...state.interfaces.values()].map(
          ({ networkInterface: { id, deviceIndex, networkCardIndex, mac } }) => ({
            id,
            deviceIndex,
            networkCardIndex,
            mac,
          }),
        ),
        freeBytes: bavail * bsize,
      },
    };
  } catch (error) {
    return { unknown: reasonOf(error) };
  }
}

function journalPod(stored: StoredAssignment): JournalPod {
  const { attachment, pod, hostIfName, netns } = stored;
  const { containerId, ifName } = attachment;
  return {
    namespace: pod.namespace,
    name: pod.name,
    containerId,
    ifName,
    addresses: addressesOf(stored),
    hostIfName,
    netns,
  };
}

async function countFiles(directory: string): Promise<Known<number>> {
  try {
    return { value: (await readdir(directory)).filter((name) => !name.startsWith('.')).length };
  } catch (error) {
    return reasonOf(error) === 'ENOENT' ? { value: 0 } : { unknown: reasonOf(error) };
  }
}
