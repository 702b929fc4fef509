/**
 * Errors as the CNI specification speaks them (SPEC.md, section "Error"; codes below 100 belong to the specification and
 * its library, 100 and above to us). Pure data and one class: the table is also the source of docs/errors.md.
 */

/** One row of the table of codes. `cause` and `fix` are sentences for the operator who reads the message. */
export interface CniErrorKind {
  readonly code: number;
  readonly name: string;
  readonly cause: string;
  readonly fix: string;
}

/** Every code that we may print, in ascending order. The names are ours, the meanings below 100 the specification's. */
export const CNI_ERROR_TABLE = [
  {
    code: 1,
    name: 'incompatible-version',
    cause: 'The cniVersion of the network configuration is not one that this plugin speaks.',
    fix: 'Set cniVersion in the conflist to one of the versions that the message lists, then restart nothing: the runtime reads the file anew.',
  },
  {
    code: 2,
    name: 'unsupported-field',
    cause: 'A field of the network configuration asks for something that this plugin cannot do.',
    fix: 'Remove or change the field; the message holds its key and its value.',
  },
  {
    code: 3,
    name: 'unknown-container',
    cause: 'CHECK was called for an attachment that this node never made or has already deleted.',
    fix: 'Nothing is to be cleaned up. The runtime should create the sandbox anew.',
  },
  {
    code: 4,
    name: 'invalid-environment',
    cause: 'A CNI_* environment variable is missing or malformed.',
    fix: 'Call the plugin through a container runtime or cnitool; the message names each variable.',
  },
  {
    code: 5,
    name: 'io-failure',
    cause: 'Reading standard input, or writing a file that must survive a crash, failed.',
    fix: 'Look at the path in the message: free space, permissions, a read-only file system.',
  },
  {
    code: 6,
    name: 'undecodable',
    cause: 'The network configuration on standard input is not JSON.',
    fix: 'Mend the conflist in the CNI configuration directory of the runtime; the message says where it stops being JSON.',
  },
  {
    code: 7,
    name: 'invalid-config',
    cause: 'The network configuration is JSON, but a field is missing, of the wrong type or out of its range.',
    fix: 'Correct the field that the message names.',
  },
  {
    code: 8,
    name: 'invalid-netns',
    cause: 'CNI_NETNS does not name a network namespace that this node can open.',
    fix: 'The sandbox is probably gone already; the runtime retries with a new one. If it repeats, check that the daemon sees the runtime’s namespaces (hostPID, or a propagated mount of /run/netns).',
  },
  {
    code: 11,
    name: 'try-again-later',
    cause: 'The daemon cannot be reached, is starting, or addresses are on their way but did not arrive in time.',
    fix: 'The runtime retries by itself. If it lasts, look at the ipamd pod of this node and its log.',
  },
  {
    code: 50,
    name: 'not-available',
    cause: 'STATUS: the plugin cannot serve ADD requests now.',
    fix: 'Look at the ipamd pod of this node: is it running, and what do its last log lines say?',
  },
  {
    code: 51,
    name: 'limited-connectivity',
    cause:
      'STATUS: the plugin cannot serve ADD requests, and existing pods may be cut off too. wellspring never says so: pods keep their way while the daemon is away.',
    fix: 'Another plugin of the list says it: look at its log.',
  },
  {
    code: 100,
    name: 'subnet-exhausted',
    cause: 'No subnet that this node may use has a free address (or a free /28 block, in prefix mode).',
    fix: 'Free addresses in the subnet, add a subnet (tag discovery or ENIConfig), or add a CIDR to the VPC.',
  },
  {
    code: 101,
    name: 'interface-limit',
    cause: 'The instance holds as many interfaces and addresses as its type (or MAX_ENI) allows, and all are in use.',
    fix: 'Lower max-pods of the kubelet to what `wellspringctl max-pods` says, enable prefix delegation, or use a larger type.',
  },
  {
    code: 102,
    name: 'cloud-denied',
    cause: 'The cloud refused the call: the node’s role lacks a permission.',
    fix: 'Attach the IAM policy of deploy/ to the role; the message names the action.',
  },
  {
    code: 103,
    name: 'kernel-refused',
    cause: 'The kernel refused a link, address, route, rule or nftables change.',
    fix: 'The message holds the errno and the object; a missing kernel module or another program that owns the object are usual.',
  },
  {
    code: 104,
    name: 'protocol-mismatch',
    cause: 'The CNI binary and the daemon on this node come from releases that do not understand each other.',
    fix: 'Let the daemon’s installer renew the binary: restart the ipamd pod of this node.',
  },
  {
    code: 105,
    name: 'deadline-exceeded',
    cause: 'The daemon received the request but could not finish it before the deadline; what it did has been undone.',
    fix: 'The runtime retries. If it repeats, the log line with this request id says which step was slow.',
  },
  {
    code: 106,
    name: 'pod-unknown',
    cause: 'The settings of this pod must be read from the API server, and it does not know the pod.',
    fix: 'The pod was probably deleted meanwhile. If not, check that ipamd reaches the API server.',
  },
  {
    code: 107,
    name: 'attachment-conflict',
    cause:
      'The attachment (container id and interface name) exists already, and with other settings or in another namespace.',
    fix: 'The runtime must call DEL before it calls ADD again for the same container and interface.',
  },
  {
    code: 108,
    name: 'cloud-unavailable',
    cause: 'The cloud API or the instance metadata service does not answer, or answers with garbage.',
    fix: 'Check the route and the endpoint that the message names. Running pods are not affected.',
  },
  {
    code: 109,
    name: 'journal-failure',
    cause: 'The daemon could not write its journal, so it gave out no address.',
    fix: 'Check free space and permissions of the state directory that the message names.',
  },
  {
    code: 110,
    name: 'damaged',
    cause: 'CHECK: the kernel does not hold what ADD promised for this attachment.',
    fix: 'The details name each object, what was expected and what was found. The daemon repairs its own objects; a pod whose own namespace was changed must be recreated.',
  },
  {
    code: 111,
    name: 'growth-held-back',
    cause:
      'No address is free, and a setting or the state of the node keeps ipamd from asking the cloud for more: provisioning is disabled, the node is unschedulable, or custom networking has no usable ENIConfig.',
    fix: 'The message names the setting, the taint or the ENIConfig. The pod gets an address as soon as that changes, or when one becomes free.',
  },
  {
    code: 112,
    name: 'no-ipv6',
    cause: 'Pods of this node get an IPv6 address, and no interface of it has a /80 prefix to take one from.',
    fix: 'The message names the subnet: associate an IPv6 CIDR block with it, tag a subnet that has one, or set ENABLE_IPv6=false.',
  },
  {
    code: 999,
    name: 'internal',
    cause: 'A bug in wellspring.',
    fix: 'Please report it, with the message, the details and the daemon’s log around that time.',
  },
] as const satisfies readonly CniErrorKind[];

/** A code that we may print. */
export type CniErrorCode = (typeof CNI_ERROR_TABLE)[number]['code'];
/** Its name in the table. */
export type CniErrorName = (typeof CNI_ERROR_TABLE)[number]['name'];

/** The code of each name: `CNI_CODE['try-again-later'] === 11`. */
export const CNI_CODE = Object.fromEntries(CNI_ERROR_TABLE.map((row) => [row.name, row.code])) as {
  readonly [N in CniErrorName]: Extract<(typeof CNI_ERROR_TABLE)[number], { name: N }>['code'];
};

/** The row of a code, undefined for a code that is not ours to print. */
export function cniErrorKind(code: number): CniErrorKind | undefined {
  return CNI_ERROR_TABLE.find((row) => row.code === code);
}

/** An answer that is an error. `msg` is one line for people, `details` may be longer; both without secrets. */
export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: CniErrorCode;
  readonly msg: string;
  readonly details: string | undefined;

  constructor(kind: CniErrorName, msg: string, details?: string, options?: { readonly cause?: unknown }) {
    super(msg, options);
    this.code = CNI_CODE[kind];
    this.msg = msg;
    this.details = details;
  }

  /** `{code, msg, details?}`: the error as the local protocol carries it (`WireError`). */
  toWire(): { readonly code: number; readonly msg: string; readonly details?: string } {
    return this.details === undefined
      ? { code: this.code, msg: this.msg }
      : { code: this.code, msg: this.msg, details: this.details };
  }
}
