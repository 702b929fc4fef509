/** What `nft -j list ruleset` says (libnftables-json(5)), read as far as it is needed. Pure. */

export interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Of base chains alone. */
  readonly type?: string;
  readonly hook?: string;
  readonly priority?: number;
  readonly policy?: string;
  readonly rules: readonly (readonly NftStatement[])[];
}

/** One statement of a rule: an object with one key, the statement's name. */
export type NftStatement = Readonly<Record<string, unknown>>;

export interface NftSet {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly elements: readonly unknown[];
}

export interface NftRuleset {
  readonly tables: readonly { readonly family: string; readonly name: string }[];
  readonly chains: readonly NftChain[];
  readonly sets: readonly NftSet[];
}

type Fields = Readonly<Record<string, unknown>>;

/** Throws `SyntaxError` where the document is none of nft's. */
export function parseRuleset(document: unknown): NftRuleset {
  const objects = fieldsOf(document)['nftables'];
  if (!Array.isArray(objects)) throw new SyntaxError('no list "nftables" in what nft said');
  const some = (kind: string): readonly Fields[] =>
    objects.flatMap((object) => (kind in fieldsOf(object) ? [fieldsOf(fieldsOf(object)[kind])] : []));
  const rules = Map.groupBy(some('rule'), (rule) => chainKey(rule, text(rule['chain'])));
  return {
    tables: some('table').map((table) => ({ family: text(table['family']), name: text(table['name']) })),
    chains: some('chain').map((chain) => ({
      ...placeOf(chain),
      ...(chain['hook'] === undefined ? {} : baseOf(chain)),
      rules: (rules.get(chainKey(chain, text(chain['name']))) ?? []).map((rule) => statements(rule['expr'])),
    })),
    sets: [...some('set'), ...some('map')].map((set) => ({
      ...placeOf(set),
      elements: Array.isArray(set['elem']) ? set['elem'] : [],
    })),
  };
}

/** An object's fields; none where it is no object. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function placeOf(object: Fields): { readonly family: string; readonly table: string; readonly name: string } {
  return { family: text(object['family']), table: text(object['table']), name: text(object['name']) };
}

function baseOf(chain: Fields) {
  return {
    type: text(chain['type']),
    hook: text(chain['hook']),
    priority: Number(chain['prio'] ?? 0),
    policy: text(chain['policy'] ?? 'accept'),
  };
}

function chainKey(object: Fields, chain: string): string {
  return `${text(object['family'])} ${text(object['table'])} ${chain}`;
}

function statements(value: unknown): readonly NftStatement[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
