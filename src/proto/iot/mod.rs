//! Things, buildings and machines.

pub mod bacnet;
pub mod bacnet_names;
pub mod coap;
pub mod modbus;
pub mod mqtt;
pub mod mqtt_event;
pub mod operation;
