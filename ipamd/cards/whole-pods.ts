/** At a restart a multi-NIC pod is whole: a further interface without the first one of its pod goes. Pure. */
import type { StoredAssignment } from '../store/records.ts';
import { interfaceIndex } from './pod-interfaces.ts';

export interface WholePods {
  /** Those whose pod is there; adopted ones know the first interface of their pod. */
  readonly kept: readonly StoredAssignment[];
  /** Further interfaces of pods that are not there. */
  readonly left: readonly StoredAssignment[];
}

/**
 * The journal says which interface belongs to which; one that was found in the kernel alone says it by its name and its
 * container. A first interface stays without its further ones: its pod runs, and CHECK tells what it lacks.
 */
export function wholePods(assignments: readonly StoredAssignment[]): WholePods {
  const firsts = new Map<string, string>();
  for (const { attachment, parent } of assignments) {
    if (parent === undefined && interfaceIndex(attachment.ifName) === 0)
      firsts.set(attachment.containerId, attachment.ifName);
  }
  const kept: StoredAssignment[] = [];
  const left: StoredAssignment[] = [];
  for (const stored of assignments) {
    const { attachment } = stored;
    const first = firsts.get(attachment.containerId);
    if (interfaceIndex(attachment.ifName) === 0) kept.push(stored);
    else if (first === undefined || (stored.parent !== undefined && stored.parent !== first)) left.push(stored);
    else kept.push(stored.parent === undefined ? { ...stored, parent: first } : stored);
  }
  return { kept, left };
}
