/** What the Grafana dashboards show: one description, of which tools/generate-dashboards.ts makes deploy/dashboards. */

export type Unit = 'short' | 's' | 'percentunit' | 'reqps' | 'dateTimeFromNow';

export interface Panel {
  readonly title: string;
  /** For who wonders what it means. */
  readonly about: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  readonly unit: Unit;
  /** PromQL; the legend takes labels as {{label}}. */
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
  /** Grafana's grid has 24 columns. Default 8. */
  readonly width?: 6 | 8 | 12 | 24;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly about: string;
  /** A variable of the dashboard: its name, and the metric and label that its values come from. */
  readonly variable?: { readonly name: string; readonly metric: string; readonly label: string };
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const series = (
  title: string,
  about: string,
  unit: Unit,
  ...queries: readonly (readonly [string, string])[]
): Panel => ({
  title,
  about,
  kind: 'timeseries',
  unit,
  queries: queries.map(([expr, legend]) => ({ expr, legend })),
});
const stat = (title: string, about: string, unit: Unit, expr: string): Panel => ({
  title,
  about,
  kind: 'stat',
  unit,
  queries: [{ expr, legend: '' }],
  width: 6,
});

const NODE = 'instance=~"$node"';
const SUBNET = 'subnet=~"$subnet"';

export const DASHBOARDS: readonly Dashboard[] = [
  {
    uid: 'wellspring-node',
    title: 'Wellspring / Node',
    about: 'One node: its pool, its pods’ ADDs, its EC2 calls and its kernel.',
    variable: { name: 'node', metric: 'awscni_build_info', label: 'instance' },
    rows: [
      {
        title: 'Pool',
        panels: [
          series(
            'Addresses',
            'How the addresses of the node are used, and how many it may hold.',
            'short',
            [`awscni_assigned_ip_addresses{${NODE}}`, 'assigned {{instance}}'],
            [`wellspring_free_ip_addresses{${NODE}}`, 'free {{instance}}'],
            [`wellspring_cooling_ip_addresses{${NODE}}`, 'cooling {{instance}}'],
            [`awscni_ip_max{${NODE}}`, 'most {{instance}}'],
          ),
          series(
            'ENIs',
            'Attached, and how many the instance takes.',
            'short',
            [`awscni_eni_allocated{${NODE}}`, 'attached {{instance}}'],
            [`awscni_eni_max{${NODE}}`, 'most {{instance}}'],
          ),
          series(
            'ADDs that wait',
            'Pods that wait for an address. Above 0 for more than a moment: runbook slow-add.',
            'short',
            [`wellspring_add_queue_length{${NODE}}`, '{{instance}}'],
          ),
        ],
      },
      {
        title: 'CNI requests',
        panels: [
          series(
            'ADD: time to answer',
            'Half and 99 of 100 are quicker.',
            's',
            [
              `histogram_quantile(0.5, sum by (le) (rate(wellspring_cni_request_duration_seconds_bucket{${NODE},method="ADD",phase="total"}[$__rate_interval])))`,
              'p50',
            ],
            [
              `histogram_quantile(0.99, sum by (le) (rate(wellspring_cni_request_duration_seconds_bucket{${NODE},method="ADD",phase="total"}[$__rate_interval])))`,
              'p99',
            ],
          ),
          series(
            'ADDs and DELs',
            'A second.',
            'reqps',
            [`sum(rate(awscni_add_ip_req_count{${NODE}}[$__rate_interval]))`, 'ADD'],
            [`sum(rate(awscni_del_ip_req_count{${NODE}}[$__rate_interval]))`, 'DEL'],
          ),
          series('Errors by code', 'docs/errors.md says what a code means.', 'reqps', [
            `sum by (method, code) (rate(wellspring_cni_errors_total{${NODE}}[$__rate_interval]))`,
            '{{method}} {{code}}',
          ]),
        ],
      },
      {
        title: 'EC2 and kernel',
        panels: [
          series('EC2 calls', 'By operation and outcome.', 'reqps', [
            `sum by (operation, outcome) (rate(wellspring_cloud_calls_total{${NODE}}[$__rate_interval]))`,
            '{{operation}} {{outcome}}',
          ]),
          series(
            'Call budget',
            'What the node allows itself; less than usual while EC2 throttles.',
            'reqps',
            [`wellspring_cloud_call_rate{${NODE}}`, '{{class}} a second'],
            [`wellspring_cloud_calls_waiting{${NODE}}`, '{{class}} waiting'],
          ),
          series(
            'Drift',
            'What others changed in the kernel and was put back, and what is not.',
            'short',
            [
              `sum by (object) (increase(wellspring_drift_repairs_total{${NODE}}[$__rate_interval]))`,
              'repaired {{object}}',
            ],
            [`wellspring_drift_unrepaired{${NODE}}`, 'left {{object}}'],
          ),
        ],
      },
    ],
  },
  {
    uid: 'wellspring-cluster',
    title: 'Wellspring / Cluster',
    about: 'All nodes: what stands out first.',
    rows: [
      {
        title: 'Now',
        panels: [
          stat('Nodes', 'That serve metrics.', 'short', 'count(awscni_build_info)'),
          stat('Pods that wait', 'For an address, on all nodes.', 'short', 'sum(wellspring_add_queue_length)'),
          stat(
            'Addresses in use',
            'Of those that nodes hold.',
            'percentunit',
            'sum(awscni_assigned_ip_addresses) / sum(awscni_total_ip_addresses)',
          ),
          stat(
            'Pods without their address',
            'The cloud gives their address to the node no more.',
            'short',
            'sum(wellspring_orphaned_addresses)',
          ),
        ],
      },
      {
        title: 'Pools',
        panels: [
          series(
            'Addresses',
            'Of all nodes.',
            'short',
            ['sum(awscni_assigned_ip_addresses)', 'assigned'],
            ['sum(wellspring_free_ip_addresses)', 'free'],
            ['sum(wellspring_cooling_ip_addresses)', 'cooling'],
          ),
          series('Nodes without a free address', 'That may hold more.', 'short', [
            'count(wellspring_free_ip_addresses == 0 and awscni_total_ip_addresses > 0 and awscni_total_ip_addresses < awscni_ip_max) or vector(0)',
            'nodes',
          ]),
          series(
            'ENIs and prefixes',
            'Of all nodes.',
            'short',
            ['sum(awscni_eni_allocated)', 'ENIs'],
            ['sum(awscni_total_ipv4_prefixes)', '/28 prefixes'],
            ['sum(wellspring_ipv6_prefixes)', '/80 prefixes'],
          ),
        ],
      },
      {
        title: 'EC2',
        panels: [
          series('Calls', 'By operation.', 'reqps', [
            'sum by (operation) (rate(wellspring_cloud_calls_total[$__rate_interval]))',
            '{{operation}}',
          ]),
          series('Calls that failed', 'By outcome.', 'reqps', [
            'sum by (outcome) (rate(wellspring_cloud_calls_total{outcome!="ok"}[$__rate_interval]))',
            '{{outcome}}',
          ]),
          series('Leaked ENIs that were found', 'By what became of them.', 'short', [
            'sum by (outcome) (increase(wellspring_leaked_interfaces_total[$__rate_interval]))',
            '{{outcome}}',
          ]),
        ],
      },
      {
        title: 'Requests',
        panels: [
          series('ADDs that failed', 'By code.', 'reqps', [
            'sum by (code) (rate(wellspring_cni_errors_total{method="ADD"}[$__rate_interval]))',
            '{{code}}',
          ]),
          series('Slowest nodes', 'p99 of ADD.', 's', [
            'topk(5, histogram_quantile(0.99, sum by (le, instance) (rate(wellspring_cni_request_duration_seconds_bucket{method="ADD",phase="total"}[$__rate_interval]))))',
            '{{instance}}',
          ]),
          series('Drift by node', 'Repairs in an hour.', 'short', [
            'topk(5, sum by (instance) (increase(wellspring_drift_repairs_total[1h])))',
            '{{instance}}',
          ]),
        ],
      },
    ],
  },
  {
    uid: 'wellspring-subnets',
    title: 'Wellspring / Subnets',
    about: 'From the subnet controller: room, holders, fragmentation and forecast.',
    variable: { name: 'subnet', metric: 'wellspring_subnet_info', label: 'subnet' },
    rows: [
      {
        title: 'Forecast',
        panels: [
          series(
            'Time until no address is free',
            'Nine times in ten it is between the two ends; nothing is drawn beyond the horizon.',
            's',
            [
              `wellspring_subnet_exhaustion_seconds{${SUBNET},of="addresses",quantile="0.05"} < Inf`,
              'soonest {{subnet}}',
            ],
            [
              `wellspring_subnet_exhaustion_seconds{${SUBNET},of="addresses",quantile="0.5"} < Inf`,
              'expected {{subnet}}',
            ],
            [
              `wellspring_subnet_exhaustion_seconds{${SUBNET},of="addresses",quantile="0.95"} < Inf`,
              'latest {{subnet}}',
            ],
          ),
          series('Time until no /28 is free', 'The expected one.', 's', [
            `wellspring_subnet_exhaustion_seconds{${SUBNET},of="blocks",quantile="0.5"} < Inf`,
            '{{subnet}}',
          ]),
          series('Growth', 'Addresses a day, season left out.', 'short', [
            `wellspring_subnet_growth_per_day{${SUBNET},of="addresses"}`,
            '{{subnet}}',
          ]),
          series('Likely to be empty', 'Within the hour and the day.', 'percentunit', [
            `wellspring_subnet_exhaustion_probability{${SUBNET},of="addresses",within=~"hour|day"}`,
            '{{subnet}} {{within}}',
          ]),
        ],
      },
      {
        title: 'Room',
        panels: [
          series('Free addresses', 'That nobody holds.', 'short', [
            `wellspring_subnet_free_addresses{${SUBNET}}`,
            '{{subnet}}',
          ]),
          series('Used share', 'Of the addresses that EC2 gives out.', 'percentunit', [
            `1 - wellspring_subnet_free_addresses{${SUBNET}} / wellspring_subnet_addresses{${SUBNET}}`,
            '{{subnet}}',
          ]),
          series(
            'Free /28 blocks',
            'And what the repairs of /v1/subnets would give back.',
            'short',
            [`wellspring_subnet_free_prefix_blocks{${SUBNET}}`, 'free {{subnet}}'],
            [`wellspring_subnet_repairable_prefix_blocks{${SUBNET}}`, 'by repairs {{subnet}}'],
          ),
          series('Fragmentation', '0: the free addresses lie together; 1: no whole block among them.', 'percentunit', [
            `wellspring_subnet_fragmentation_ratio{${SUBNET}}`,
            '{{subnet}}',
          ]),
        ],
      },
      {
        title: 'Holders',
        panels: [
          series('Held by cluster', '"other" is what no CNI made: load balancers, functions, databases.', 'short', [
            `wellspring_subnet_held_addresses{${SUBNET}}`,
            '{{subnet}} {{cluster}}',
          ]),
          series('Warm', 'Held for pods and used by none.', 'short', [
            `wellspring_subnet_warm_addresses{${SUBNET}}`,
            '{{subnet}} {{cluster}}',
          ]),
          series('Leaked ENIs', 'Attached to no node.', 'short', [
            `wellspring_subnet_leaked_interfaces{${SUBNET}}`,
            '{{subnet}} {{cluster}}',
          ]),
          series('Looks', 'Of the controller, by outcome.', 'reqps', [
            'sum by (outcome) (rate(wellspring_subnet_looks_total[$__rate_interval]))',
            '{{outcome}}',
          ]),
        ],
      },
    ],
  },
];
