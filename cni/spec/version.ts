/** CNI specification versions and their negotiation (SPEC.md, section "Version"). Pure. */
import { CniError } from './errors.ts';

/** Ascending. 0.3.1 is the oldest whose results name interfaces and addresses as we need them. */
export const SUPPORTED_CNI_VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof SUPPORTED_CNI_VERSIONS)[number];

/** The version of error documents and VERSION answers for which no readable version was given. */
export const NEWEST_CNI_VERSION: CniVersion = '1.1.0';

/** True for a version whose results we can write. */
export function isSupportedVersion(version: unknown): version is CniVersion {
  return (SUPPORTED_CNI_VERSIONS as readonly unknown[]).includes(version);
}

/**
 * The version that governs one call: that of the configuration. A configuration without one is of version 0.1.0, as the
 * specification's library reads it.
 * @throws CniError `incompatible-version`, the supported versions in `details`
 */
export function negotiateVersion(version: string | undefined): CniVersion {
  if (isSupportedVersion(version)) return version;
  const given =
    version === undefined || version === '' ? 'cniVersion is missing (read as 0.1.0)' : `cniVersion ${quote(version)}`;
  throw new CniError(
    'incompatible-version',
    `incompatible CNI version: ${given}; this plugin speaks ${SUPPORTED_CNI_VERSIONS.join(', ')}`,
    `supported versions: ${SUPPORTED_CNI_VERSIONS.join(', ')}`,
  );
}

/** Whether `version` (supported) is at least `other`: their order in the table. */
export function isAtLeast(version: CniVersion, other: CniVersion): boolean {
  return SUPPORTED_CNI_VERSIONS.indexOf(version) >= SUPPORTED_CNI_VERSIONS.indexOf(other);
}

/** The specification version that introduced a command; the others have been there from the first. */
const INTRODUCED: Readonly<Record<string, CniVersion>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/**
 * Refuses a command that the configuration's version does not know yet, as the specification's library does.
 * @throws CniError `incompatible-version`
 */
export function requireCommandInVersion(command: string, version: CniVersion): void {
  const since = INTRODUCED[command];
  if (since === undefined || isAtLeast(version, since)) return;
  throw new CniError(
    'incompatible-version',
    `cniVersion ${version} does not allow ${command}, which exists since ${since}`,
  );
}

/** Answer to VERSION: the version of the question (the newest where it had none) and all that are supported. */
export interface VersionResult {
  readonly cniVersion: string;
  readonly supportedVersions: readonly string[];
}

export function versionResult(asked: string | undefined): VersionResult {
  const readable = asked !== undefined && /^\d{1,6}\.\d{1,6}\.\d{1,6}$/.test(asked);
  return { cniVersion: readable ? asked : NEWEST_CNI_VERSION, supportedVersions: SUPPORTED_CNI_VERSIONS };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
