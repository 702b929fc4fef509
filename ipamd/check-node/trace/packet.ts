/** A packet on its way through the node, as rules see it. */
import type { LinkFact } from '../kernel-facts.ts';

export type Protocol = 'tcp' | 'udp' | 'icmp';

export interface Packet {
  readonly source: string;
  readonly destination: string;
  readonly mark: number;
  readonly connectionMark: number;
  readonly inLink: LinkFact | undefined;
  readonly outLink: LinkFact | undefined;
  /** undefined: nobody said; what depends on it cannot be judged. */
  readonly protocol: Protocol | undefined;
  readonly port: number | undefined;
  /** A translation has been chosen for the connection at this end. */
  readonly sourceTranslated: boolean;
  readonly destinationTranslated: boolean;
}

/** IANA's numbers. */
export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { icmp: 1, tcp: 6, udp: 17 };
