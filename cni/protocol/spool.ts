/** The spool of deletions that could not reach the daemon: one file for each attachment. Pure; the hosts do the writing. */
import { parseRequest } from './envelope.ts';
import { ProtocolError } from './errors.ts';
import type { RequestEnvelope } from './messages.ts';

const SUFFIX = '.json';

/**
 * The file's name: `<container id>@<interface name>.json`, what is not a letter, digit, `_`, `.` or `-` of the interface
 * name as `%XX`. Different attachments have different names, since a container id holds no `@`. Files whose name starts
 * with a dot are unfinished and mean nothing.
 */
export function spoolFileName(containerId: string, ifName: string): string {
  const escaped = ifName.replace(
    /[^A-Za-z0-9_.-]/g,
    (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase()}`,
  );
  return `${containerId}@${escaped}${SUFFIX}`;
}

/** Whether a directory entry is a finished spool file. */
export function isSpoolFileName(name: string): boolean {
  return !name.startsWith('.') && name.includes('@') && name.endsWith(SUFFIX);
}

/**
 * The Del request that a spool file holds: the same envelope that would have gone over the socket.
 * @throws ProtocolError `malformed` or `version`
 */
export function parseSpooled(text: string): RequestEnvelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ProtocolError('malformed', 'the spool file is not JSON', { cause });
  }
  const request = parseRequest(value);
  if (request.method !== 'Del')
    throw new ProtocolError('malformed', `the spool file holds a ${request.method}, not a Del`);
  return request;
}
