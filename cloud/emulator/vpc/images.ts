import type { Image } from '@aws-sdk/client-ec2';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { pageOf } from './paging.ts';
import type { Query } from './transition.ts';

const AMAZON = '137112412989';
const PUBLIC_IMAGES = ['ami-0a1b2c3d4e5f60001', 'ami-0a1b2c3d4e5f60002'];

/**
 * There are no disks here, so any image will do: every id that is asked for is answered. Without ids there are two
 * public ones, one an architecture.
 */
export const describeImages: Query<'DescribeImages'> = (_state, input) => {
  const ids = input.ImageIds ?? [];
  const images = (ids.length > 0 ? [...new Set(ids)] : PUBLIC_IMAGES).map(describeImage);
  const known = (input.Owners ?? []).every((owner) => ['amazon', 'self', AMAZON].includes(owner));
  const chosen = applyFilters(known ? images : [], input.Filters, IMAGE_FILTERS, () => ({}));
  const rules = { action: 'DescribeImages', byId: ids.length > 0, largest: 1000 };
  const page = pageOf(chosen, (image) => images.indexOf(image), input, rules);
  return { Images: [...page.items], NextToken: page.nextToken };
};

const IMAGE_FILTERS: FilterTable<Image> = {
  'image-id': (image) => [image.ImageId],
  architecture: (image) => [image.Architecture],
  name: (image) => [image.Name],
  state: (image) => [image.State],
  'owner-id': (image) => [image.OwnerId],
  'owner-alias': (image) => [image.ImageOwnerAlias],
  'virtualization-type': (image) => [image.VirtualizationType],
  'root-device-type': (image) => [image.RootDeviceType],
  'image-type': (image) => [image.ImageType],
  'is-public': (image) => [image.Public],
};

function describeImage(id: string, index: number): Image {
  const architecture = PUBLIC_IMAGES.includes(id) && index === 1 ? 'arm64' : 'x86_64';
  return {
    ImageId: id,
    ImageType: 'machine',
    Name: `al2023-ami-emulated-${architecture}`,
    Description: 'An image without a disk, accepted by the embedded cloud',
    State: 'available',
    Architecture: architecture,
    OwnerId: AMAZON,
    ImageOwnerAlias: 'amazon',
    Public: true,
    Hypervisor: 'xen',
    VirtualizationType: 'hvm',
    EnaSupport: true,
    RootDeviceType: 'ebs',
    RootDeviceName: '/dev/xvda',
    BlockDeviceMappings: [],
    CreationDate: '2026-01-01T00:00:00.000Z',
    Tags: [],
  };
}
