import { idForm } from '../json-api/document.js';

export const workspaceIds = idForm('ws');
export const runIds = idForm('run');
export const planIds = idForm('plan');
export const applyIds = idForm('apply');
export const configurationIds = idForm('cv');
export const stateIds = idForm('sv');
export const variableIds = idForm('var');
export const teamIds = idForm('team');
export const teamAccessIds = idForm('tws');
