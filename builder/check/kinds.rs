//! The kinds of objects whose types are known: those of the newest Kubernetes that people write, from its own OpenAPI
//! document (crate k8s-openapi). Fields are never taken out of what is stable, so the newest type reads older objects.

use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch,
    certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery,
    flowcontrol::v1 as flow, networking::v1 as networking, node::v1 as node, policy::v1 as policy, rbac::v1 as rbac,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as registration;
use serde::de::DeserializeOwned;

use super::typed::{self, Amiss};
use crate::document::nearest;
use crate::document::yaml::Node;

/// A kind of object.
pub struct Kind {
    /// Its group and version.
    pub version: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Reads an object of it; all that is amiss.
    pub read: fn(&Node) -> Vec<Amiss>,
}

const fn of<T: k8s_openapi::Resource + DeserializeOwned>() -> Kind {
    Kind { version: T::API_VERSION, name: T::KIND, read: typed::read::<T> }
}

/// All kinds.
const KINDS: [Kind; 51] = [
    of::<core::ConfigMap>(),
    of::<core::Endpoints>(),
    of::<core::LimitRange>(),
    of::<core::Namespace>(),
    of::<core::Node>(),
    of::<core::PersistentVolume>(),
    of::<core::PersistentVolumeClaim>(),
    of::<core::Pod>(),
    of::<core::PodTemplate>(),
    of::<core::ReplicationController>(),
    of::<core::ResourceQuota>(),
    of::<core::Secret>(),
    of::<core::Service>(),
    of::<core::ServiceAccount>(),
    of::<admission::MutatingWebhookConfiguration>(),
    of::<admission::ValidatingAdmissionPolicy>(),
    of::<admission::ValidatingAdmissionPolicyBinding>(),
    of::<admission::ValidatingWebhookConfiguration>(),
    of::<apps::ControllerRevision>(),
    of::<apps::DaemonSet>(),
    of::<apps::Deployment>(),
    of::<apps::ReplicaSet>(),
    of::<apps::StatefulSet>(),
    of::<autoscaling::HorizontalPodAutoscaler>(),
    of::<batch::CronJob>(),
    of::<batch::Job>(),
    of::<certificates::CertificateSigningRequest>(),
    of::<coordination::Lease>(),
    of::<discovery::EndpointSlice>(),
    of::<extensions::CustomResourceDefinition>(),
    of::<flow::FlowSchema>(),
    of::<flow::PriorityLevelConfiguration>(),
    of::<networking::IPAddress>(),
    of::<networking::Ingress>(),
    of::<networking::IngressClass>(),
    of::<networking::NetworkPolicy>(),
    of::<networking::ServiceCIDR>(),
    of::<node::RuntimeClass>(),
    of::<policy::PodDisruptionBudget>(),
    of::<rbac::ClusterRole>(),
    of::<rbac::ClusterRoleBinding>(),
    of::<rbac::Role>(),
    of::<rbac::RoleBinding>(),
    of::<registration::APIService>(),
    of::<scheduling::PriorityClass>(),
    of::<storage::CSIDriver>(),
    of::<storage::CSINode>(),
    of::<storage::CSIStorageCapacity>(),
    of::<storage::StorageClass>(),
    of::<storage::VolumeAttachment>(),
    of::<storage::VolumeAttributesClass>(),
];

/// The kind of an object by what it says itself; none if it is none, or is not known.
pub fn kind_of(object: &Node) -> Option<&'static Kind> {
    let (version, name) = (object.text("apiVersion")?, object.text("kind")?);
    KINDS.iter().find(|kind| kind.version == version && kind.name == name)
}

/// The kind that is meant, where an object's version is one of the types' own and its kind, though it is none of it, is near to one.
pub fn misnamed(object: &Node) -> Option<&'static str> {
    let (version, name) = (object.text("apiVersion")?, object.text("kind")?);
    // What has no name is no object of an API server: a kubeconfig says v1 too.
    object.at(&["metadata", "name"])?;
    nearest(name, KINDS.iter().filter(|kind| kind.version == version).map(|kind| kind.name))
}

/// The objects of a document: itself, or those of a list.
pub fn objects(document: &Node) -> Vec<&Node> {
    match document.text("kind") {
        Some(kind) if kind.ends_with("List") && document.get("items").is_some() => {
            document.list("items").iter().flat_map(objects).collect()
        }
        Some(_) if document.text("apiVersion").is_some() => vec![document],
        _ => Vec::new(),
    }
}
