/**
 * The words of the local protocol between the CNI binary and ipamd.
 *
 * One request and one response for each connection, each a frame: u32 big-endian length, then that many bytes of UTF-8
 * JSON. The client owns the contract, because it is the side that cannot be upgraded together with the daemon.
 */

/** `major.minor`; both sides accept the other's previous minor version. */
export const PROTOCOL_VERSION = '1.0';

/** A frame larger than this is refused (code `too-large`): stdin of a CNI call is a few KiB. */
export const MAX_FRAME_BYTES = 1024 * 1024;

export const DEFAULT_SOCKET_PATH = '/run/wellspring/ipamd.sock';
/** Deletions that could not reach the daemon: one fsync'd file for each attachment. The daemon replays them first. */
export const DEFAULT_SPOOL_DIRECTORY = '/var/lib/wellspring/del-spool';

export type Method = 'Add' | 'Del' | 'Check' | 'Status' | 'Gc' | 'Version';

/** The CNI environment variables as the runtime set them (SPEC.md, "Parameters"); absent ones are left out. */
export interface CniEnvironment {
  readonly CNI_COMMAND?: string;
  readonly CNI_CONTAINERID?: string;
  readonly CNI_NETNS?: string;
  readonly CNI_IFNAME?: string;
  readonly CNI_ARGS?: string;
  readonly CNI_PATH?: string;
  readonly CNI_NETNS_OVERRIDE?: string;
}

export interface RequestEnvelope {
  readonly version: string;
  readonly method: Method;
  /** Chosen by the client, echoed in the response and in every log line about it. */
  readonly id: string;
  /** How long the client will wait, milliseconds from the arrival of the request. */
  readonly deadlineMs: number;
  readonly params: RequestParams;
}

export interface RequestParams {
  readonly env: CniEnvironment;
  /** The network configuration exactly as it came on standard input (text, not parsed). */
  readonly stdin: string;
}

export type ResponseEnvelope =
  | { readonly version: string; readonly id: string; readonly result: unknown }
  | { readonly version: string; readonly id: string; readonly error: WireError };

/** As the CNI spec prints it, without cniVersion. */
export interface WireError {
  readonly code: number;
  readonly msg: string;
  readonly details?: string;
}
