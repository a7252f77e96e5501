import t from 'tap'
import { attackedTests } from './attacked.ts'

attackedTests(t, 'sidecar', ['downloads', 'uploads'])
