/**
 * Failures of a netlink exchange. The layer above turns them into `DatapathError`; the text of the kernel's extended
 * acknowledgement (linux/netlink.h, NLMSGERR_ATTR_MSG) is kept, because it usually names the attribute at fault.
 */
import { constants } from 'node:os';

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, value]) => [value, name]),
);

/** The symbolic name of a positive errno, `ESRCH` for 3; `errno N` for a number this platform does not name. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** The kernel refused one request, or a native call failed. */
export class NetlinkError extends Error {
  /** Symbolic errno. */
  readonly errno: string;
  /** What was asked, in words of `ip` or `nft`. */
  readonly request: string;
  /** The kernel's own explanation; empty if it gave none. */
  readonly kernelText: string;

  constructor(errno: string, request: string, kernelText = '') {
    super(`${request}: ${errno}${kernelText === '' ? '' : ` (${kernelText})`}`);
    this.name = 'NetlinkError';
    this.errno = errno;
    this.request = request;
    this.kernelText = kernelText;
  }
}

/** Bytes that are not a well-formed netlink message or attribute list. */
export class NetlinkDecodeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NetlinkDecodeError';
  }
}
