/** Instance metadata whose failures are counted, by what was asked and how it failed. */
import { CloudError } from '#cloud/errors.ts';
import type { InstanceMetadata, NetworkMetadata } from '#cloud/provider.ts';
import type { PeerMetrics } from './peer-metrics.ts';

type Errors = Pick<PeerMetrics, 'metadataErrors'>;

export function countedIdentity(metadata: InstanceMetadata, metrics: Errors): InstanceMetadata {
  return { identity: (options) => counted('identity', metadata.identity(options), metrics) };
}

export function countedNetwork(network: NetworkMetadata, metrics: Errors): NetworkMetadata {
  return {
    macs: (options) => counted('macs', network.macs(options), metrics),
    facts: (mac, options) => counted('facts', network.facts(mac, options), metrics),
    interfaces: (options) => counted('interfaces', network.interfaces(options), metrics),
  };
}

async function counted<T>(fn: string, answer: Promise<T>, { metadataErrors }: Errors): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    // The code and not the message, of which there are as many as there are failures.
    metadataErrors.inc({ fn, error: error instanceof CloudError ? error.code : 'unavailable' });
    throw error;
  }
}
