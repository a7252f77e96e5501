import t from 'tap'
import { attackedTests } from './attacked.ts'

attackedTests(t, 'balancer', ['no-readers', 'stalled-app'])
