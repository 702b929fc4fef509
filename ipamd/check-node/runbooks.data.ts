/** Which page of docs/runbooks is for which error and reason code; a test holds the pages to it. */
import type { CniErrorName } from '#cni/spec/errors.ts';
import type { ReasonCode } from '#warm-pool/model.ts';

export const ERROR_RUNBOOKS: Readonly<Record<CniErrorName, string>> = {
  'incompatible-version': 'cni-configuration.md',
  'unsupported-field': 'cni-configuration.md',
  'unknown-container': 'sandbox.md',
  'invalid-environment': 'cni-configuration.md',
  'io-failure': 'journal.md',
  undecodable: 'cni-configuration.md',
  'invalid-config': 'cni-configuration.md',
  'invalid-netns': 'sandbox.md',
  'try-again-later': 'slow-add.md',
  'not-available': 'daemon-unreachable.md',
  'limited-connectivity': 'cni-configuration.md',
  'subnet-exhausted': 'subnet-exhausted.md',
  'interface-limit': 'interface-limit.md',
  'cloud-denied': 'cloud-denied.md',
  'kernel-refused': 'kernel-refused.md',
  'protocol-mismatch': 'daemon-unreachable.md',
  'deadline-exceeded': 'slow-add.md',
  'pod-unknown': 'api-server.md',
  'attachment-conflict': 'sandbox.md',
  'cloud-unavailable': 'cloud-unavailable.md',
  'journal-failure': 'journal.md',
  damaged: 'drift.md',
  'growth-held-back': 'growth-held-back.md',
  'no-ipv6': 'no-ipv6.md',
  internal: 'internal.md',
};

/** Those that a person acts on; the others the daemon settles by itself. */
export const REASON_RUNBOOKS: Readonly<Partial<Record<ReasonCode, string>>> = {
  'subnet-exhausted': 'subnet-exhausted.md',
  'no-free-prefix': 'subnet-exhausted.md',
  'interface-limit': 'interface-limit.md',
  'address-limit': 'interface-limit.md',
  'max-pods-reached': 'interface-limit.md',
  'cloud-back-off': 'cloud-denied.md',
  'provisioning-disabled': 'growth-held-back.md',
  'node-unschedulable': 'growth-held-back.md',
  'eniconfig-unknown': 'growth-held-back.md',
  'eniconfig-unusable': 'growth-held-back.md',
  'no-ipv6-cidr': 'no-ipv6.md',
  'ipv6-back-off': 'no-ipv6.md',
};
