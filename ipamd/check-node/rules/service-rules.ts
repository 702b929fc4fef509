/** The daemon, its files, the binary, metadata, permissions and the kubelet. Pure. */
import { type Finding, finding, ok } from '../finding.ts';
import { type NodeFacts, valueOr } from '../facts.ts';
import { page } from '../view.ts';

const LITTLE_SPACE = 64 * 1024 * 1024;
const RESTART =
  'kubectl -n kube-system delete pod -l app.kubernetes.io/name=wellspring --field-selector spec.nodeName=$(hostname)';

const AS_ROOT = 'Run it as root.';

export function serviceRules(facts: NodeFacts): readonly Finding[] {
  return [...daemon(facts), ...files(facts), ...binary(facts), ...cloud(facts), ...kubelet(facts)];
}

function daemon({
  daemon: { introspectSocket, introspectReach, cniSocket, cniReach, pages },
}: NodeFacts): readonly Finding[] {
  const found: Finding[] = [];
  if (!introspectReach.ok) {
    const seen = `ipamd does not answer on ${introspectSocket} (${introspectReach.why}): new pods wait, running ones are not affected`;
    found.push(
      finding(
        'daemon',
        introspectReach.why === 'EACCES' ? 'unknown' : 'error',
        seen,
        introspectReach.why === 'EACCES'
          ? 'Run it as root.'
          : `${RESTART}; kubectl -n kube-system logs -l app.kubernetes.io/name=wellspring`,
        'daemon-unreachable.md',
      ),
    );
  } else if (Object.keys(pages).length === 0) {
    const seen = `ipamd accepts on ${introspectSocket} and answers nothing: it is stopped or overloaded`;
    found.push(finding('daemon', 'error', seen, RESTART, 'daemon-unreachable.md'));
  } else found.push(ok('daemon', `answers on ${introspectSocket}`));
  if (cniReach.ok) found.push(ok('cni-socket', `${cniSocket} accepts`));
  else {
    const seen = `nobody accepts on ${cniSocket} (${cniReach.why}), which the CNI binary asks`;
    found.push(
      cniReach.why === 'EACCES'
        ? finding('cni-socket', 'unknown', seen, AS_ROOT, 'daemon-unreachable.md')
        : finding('cni-socket', 'error', seen, RESTART, 'daemon-unreachable.md'),
    );
  }
  return found;
}

function files({ daemon: { stateDirectory, journal, spooled, introspectReach } }: NodeFacts): readonly Finding[] {
  const found: Finding[] = [];
  if (!('value' in journal)) {
    const isNew = journal.unknown === 'ENOENT' && !introspectReach.ok;
    const seen = `the journal in ${stateDirectory} cannot be read (${journal.unknown})`;
    found.push(finding('journal', isNew ? 'info' : 'unknown', seen, `ls -l ${stateDirectory}`, 'journal.md'));
  } else {
    const { damaged, records, freeBytes } = journal.value;
    if (damaged > 1) {
      const seen = `${damaged} of ${records + damaged} lines of ${stateDirectory}/journal cannot be read`;
      found.push(
        finding(
          'journal',
          'error',
          seen,
          `cp -a ${stateDirectory} ${stateDirectory}.saved && ${RESTART}`,
          'journal.md',
        ),
      );
    } else found.push(ok('journal', `${records} records in ${stateDirectory}`));
    if (freeBytes < LITTLE_SPACE) {
      const seen = `${Math.floor(freeBytes / 1024 / 1024)} MiB are free for ${stateDirectory}: without room no pod gets an address`;
      found.push(
        finding(
          'disk-space',
          freeBytes < 1024 * 1024 ? 'error' : 'warning',
          seen,
          `df -h ${stateDirectory}; du -xh / | sort -h | tail`,
          'journal.md',
        ),
      );
    }
  }
  const waiting = valueOr(spooled, 0);
  if (waiting > 0 && introspectReach.ok) {
    const seen = `${waiting} deletions of the CNI binary lie in the spool although ipamd runs`;
    found.push(finding('spool', 'warning', seen, RESTART, 'daemon-unreachable.md'));
  }
  return found;
}

function binary({
  cni: { binary: file, binDirectory, speaks, conflists },
  daemon: { cniSocket },
}: NodeFacts): readonly Finding[] {
  const path = `${binDirectory}/wellspring-cni`;
  if (!('value' in file))
    return [
      finding(
        'cni-binary',
        'unknown',
        `${path} cannot be looked at (${file.unknown})`,
        `ls -l ${path}`,
        'not-ready.md',
      ),
    ];
  if (file.value === null)
    return [
      finding(
        'cni-binary',
        'error',
        `${path} is not there: the runtime has nothing to execute`,
        RESTART,
        'not-ready.md',
      ),
    ];
  if ((file.value.mode & 0o111) === 0)
    return [
      finding(
        'cni-binary',
        'error',
        `${path} may not be executed (mode ${file.value.mode.toString(8)})`,
        `chmod 755 ${path}`,
        'not-ready.md',
      ),
    ];
  if (!('value' in speaks))
    return [finding('cni-binary', 'error', `${path}: ${speaks.unknown}`, RESTART, 'not-ready.md')];
  const socket = valueOr(conflists, []).find(({ socketPath }) => socketPath !== undefined)?.socketPath;
  const elsewhere =
    socket === undefined || socket === cniSocket
      ? []
      : [
          finding(
            'socket-path',
            'warning',
            `the conflist names ${socket}, this was asked for ${cniSocket}`,
            'Compare WELLSPRING_SOCKET of ipamd with socketPath in the conflist.',
            'not-ready.md',
          ),
        ];
  return [ok('cni-binary', `${path} speaks ${speaks.value.join(', ')}`), ...elsewhere];
}

function cloud({ metadata, permissions }: NodeFacts): readonly Finding[] {
  const found: Finding[] = [];
  if ('value' in metadata)
    found.push(
      ok('metadata', `${metadata.value.endpoint} answers for ${metadata.value.instanceId} (${metadata.value.ms} ms)`),
    );
  else if (metadata.unknown.startsWith('not asked'))
    found.push(finding('metadata', 'info', metadata.unknown, null, null));
  else
    found.push(
      finding(
        'metadata',
        'error',
        `instance metadata: ${metadata.unknown}`,
        'aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-endpoint enabled --http-put-response-hop-limit 2',
        'cloud-unavailable.md',
      ),
    );
  if (!('value' in permissions)) {
    found.push(
      finding(
        'permissions',
        permissions.unknown.startsWith('not asked') ? 'info' : 'unknown',
        `IAM permissions: ${permissions.unknown}`,
        permissions.unknown.startsWith('not asked') ? null : 'Mend instance metadata first.',
        null,
      ),
    );
    return found;
  }
  const without = permissions.value.find(({ outcome }) => outcome === 'no-credentials');
  if (without !== undefined) return [...found, credentials(without.says)];
  const denied = permissions.value.filter(({ outcome }) => outcome === 'denied');
  const silent = permissions.value.filter(
    ({ outcome, says }) => outcome === 'unknown' && /no answer|ENOTFOUND|ECONNREFUSED/.test(says),
  );
  for (const { action, says } of denied)
    found.push(
      finding(
        'permissions',
        'error',
        `ec2:${action} is denied to this node's role: ${says}`,
        `aws iam attach-role-policy with a policy that allows ec2:${action} (docs/runbooks/cloud-denied.md has the whole policy)`,
        'cloud-denied.md',
      ),
    );
  if (silent.length === permissions.value.length && silent[0] !== undefined)
    found.push(
      finding(
        'ec2',
        'error',
        `EC2 does not answer: ${silent[0].says}`,
        'Look at the route to the EC2 endpoint: NAT gateway, VPC endpoint for ec2, security group, proxy.',
        'cloud-unavailable.md',
      ),
    );
  const allowed = permissions.value.filter(({ outcome }) => outcome === 'allowed').length;
  if (denied.length === 0 && silent.length < permissions.value.length)
    found.push(
      ok(
        'permissions',
        `${allowed} of ${permissions.value.length} EC2 actions were granted by DryRun, none was denied`,
      ),
    );
  return found;
}

/** All calls are signed with the same ones: it is told once. */
function credentials(says: string): Finding {
  const end = says.lastIndexOf('; ');
  const [seen, advice] = end < 0 ? [says, says] : [says.slice(0, end), says.slice(end + 2)];
  return finding('credentials', 'error', seen, advice, 'cloud-denied.md');
}

function kubelet(facts: NodeFacts): readonly Finding[] {
  const known = valueOr(facts.kubelet, undefined);
  if (known === undefined || !known.running) return [];
  const capacity = page(facts, '/v1/max-pods')['maxPods'];
  if (typeof capacity !== 'number') return [];
  const admitted = known.maxPods ?? 110;
  const where = known.maxPods === undefined ? `${known.from}; its default` : known.from;
  if (admitted <= capacity)
    return [ok('max-pods', `kubelet admits ${admitted} pods (${where}), addresses are there for ${capacity}`)];
  const seen = `kubelet admits ${admitted} pods (${where}), and this node has addresses for ${capacity}: the rest waits in vain`;
  return [
    finding(
      'max-pods',
      'warning',
      seen,
      `wellspringctl max-pods; then start the kubelet with --max-pods=${capacity}`,
      'interface-limit.md',
    ),
  ];
}
