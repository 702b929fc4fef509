/** The addresses of all pods of the cluster, from the API server, page by page. */
import { fieldsOf } from '../kubernetes/api-error.ts';
import type { ApiServer } from '../kubernetes/api-server.ts';
import { type Ipv4, parseIpv4 } from '#warm-pool/address.ts';

const PAGE = 500;
const MOST_PAGES = 1000;

/** Without pods on the host network and those that have ended. Rejects with ApiError. */
export async function podAddresses(api: Pick<ApiServer, 'request'>, signal: AbortSignal): Promise<ReadonlySet<Ipv4>> {
  const addresses = new Set<Ipv4>();
  let next: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { limit: PAGE, continue: next };
    const answer = fieldsOf(await api.request({ method: 'GET', path: '/api/v1/pods', query, signal }));
    const items: readonly unknown[] = Array.isArray(answer['items']) ? answer['items'] : [];
    for (const address of items.flatMap(addressesOf)) addresses.add(address);
    const { continue: token } = fieldsOf(answer['metadata']);
    if (typeof token !== 'string' || token === '') break;
    next = token;
  }
  return addresses;
}

function addressesOf(pod: unknown): readonly Ipv4[] {
  const { spec, status } = fieldsOf(pod);
  const { phase, podIPs, podIP } = fieldsOf(status);
  if (fieldsOf(spec)['hostNetwork'] === true || phase === 'Succeeded' || phase === 'Failed') return [];
  const listed: readonly unknown[] = Array.isArray(podIPs) ? podIPs.map((each) => fieldsOf(each)['ip']) : [podIP];
  return listed
    .map((text) => (typeof text === 'string' ? parseIpv4(text) : undefined))
    .filter((each) => each !== undefined);
}
