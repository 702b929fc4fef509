import { describeCloudProvider } from '#test/conformance/cloud-provider/describe-cloud-provider.ts';
import { makeSubject } from '../ec2-subject.ts';

describeCloudProvider('the SDK over the HTTP of an EC2 that others wrote', makeSubject);
