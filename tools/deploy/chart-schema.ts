/**
 * values.schema.json of the chart, by which helm refuses a value or a setting that it does not know: the shape comes from
 * values.yaml, the settings below `env` from the table of ipamd.
 */
import { parse } from 'yaml';
import { OPTIONS, type Option } from '#ipamd/config/options.data.ts';
import { UNUSED_PEER_SETTINGS } from '#ipamd/config/notes.ts';

/** Set by the chart itself, which mounts what they name. */
export const SET_BY_THE_CHART: readonly string[] = [
  'HOST_CNI_BIN_PATH',
  'HOST_CNI_CONFDIR_PATH',
  'MY_NODE_NAME',
  'MY_POD_NAME',
  'WELLSPRING_CONFLIST_FILE',
  'WELLSPRING_HEALTH_BIND_ADDRESS',
  'WELLSPRING_PROC_SYS',
  'WELLSPRING_SOCKET',
  'WELLSPRING_SPOOL_DIRECTORY',
  'WELLSPRING_STATE_DIRECTORY',
];

/** Objects of Kubernetes, whose fields the API server judges. */
const OF_KUBERNETES = new Set([
  'affinity',
  'livenessProbe',
  'readinessProbe',
  'resources',
  'seccompProfile',
  'updateStrategy',
]);

type Schema = Readonly<Record<string, unknown>>;

/** The file's text. `values`: the text of values.yaml. */
export function chartSchema(values: string): string {
  const root = objectOf(parse(values) as Readonly<Record<string, unknown>>);
  const properties = {
    ...(root['properties'] as Readonly<Record<string, Schema>>),
    global: { type: 'object' },
    env: { type: 'object', additionalProperties: false, properties: settings() },
    nodeAgent: {
      type: 'object',
      additionalProperties: false,
      properties: {
        enabled: { const: false, description: 'Network policies are not enforced by this version: it must be false.' },
      },
    },
  };
  const schema = { $schema: 'http://json-schema.org/draft-07/schema#', ...root, properties };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

function settings(): Readonly<Record<string, Schema>> {
  const ours = (Object.values(OPTIONS) as readonly Option[]).map((option) => [option.env, schemaOf(option)] as const);
  const theirs = UNUSED_PEER_SETTINGS.map(({ env }) => [env, { type: ['string', 'number', 'boolean'] }] as const);
  const known = [...ours, ...theirs].filter(([env]) => !SET_BY_THE_CHART.includes(env));
  return Object.fromEntries(known.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Wide enough for every way in which ipamd takes a value, which has the last word. */
function schemaOf({ type, doc }: Option): Schema {
  const description = doc;
  switch (type.kind) {
    case 'integer':
      return type.radix === 'any'
        ? { description, type: ['string', 'integer'] }
        : {
            description,
            anyOf: [
              { type: 'integer', minimum: type.min, maximum: type.max },
              { type: 'string', pattern: '^[+-]?[0-9]*$' },
            ],
          };
    case 'boolean':
      return {
        description,
        enum: [true, false, 'true', 'false', 'True', 'False', 'TRUE', 'FALSE', 't', 'f', 'T', 'F', '1', '0', 1, 0, ''],
      };
    case 'choice':
      return {
        description,
        enum: [...new Set(type.values.flatMap((each) => [each, each.toLowerCase(), each.toUpperCase()])), ''],
      };
    case 'cidrs':
    case 'tags':
      return { description, type: 'string' };
    case 'text':
      // What Go's regular expressions do not know is left to ipamd.
      return type.pattern.source.includes('(?')
        ? { description, type: 'string' }
        : { description, type: 'string', pattern: `^$|${type.pattern.source}` };
    default:
      return type satisfies never;
  }
}

function objectOf(values: Readonly<Record<string, unknown>>): Schema {
  const properties = Object.entries(values).map(([name, value]) => [name, shapeOf(name, value)] as const);
  return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) };
}

function shapeOf(name: string, value: unknown): Schema {
  if (Array.isArray(value)) return { type: 'array' };
  if (typeof value !== 'object' || value === null) return { type: typeof value === 'number' ? 'number' : typeof value };
  const isFree = OF_KUBERNETES.has(name) || Object.keys(value).length === 0;
  return isFree ? { type: 'object' } : objectOf(value as Readonly<Record<string, unknown>>);
}
