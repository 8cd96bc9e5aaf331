// Reads Kubernetes objects as Kubernetes' own types, every unknown or repeated field refused. tests/e2e/kubernetes.sh builds
// it inside the tree whose types they are. `typed FILE...` prints a line for each object: "ok KIND FILE" or what is wrong.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	audit "k8s.io/apiserver/pkg/apis/audit/v1"
	encryption "k8s.io/apiserver/pkg/apis/config/v1"
	"k8s.io/client-go/kubernetes/scheme"
	kubeconfig "k8s.io/client-go/tools/clientcmd/api/v1"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	kubescheduler "k8s.io/kube-scheduler/config/v1beta1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta2"
)

func main() {
	for _, add := range []func(*runtime.Scheme) error{
		audit.AddToScheme, encryption.AddToScheme, kubeconfig.AddToScheme, kubeproxy.AddToScheme, kubescheduler.AddToScheme,
		kubelet.AddToScheme, kubeadm.AddToScheme,
	} {
		utilruntime.Must(add(scheme.Scheme))
	}
	options := json.SerializerOptions{Yaml: true, Strict: true}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, options)
	for _, path := range os.Args[1:] {
		file, err := os.Open(path)
		if err != nil {
			fmt.Println("FAIL", path, err)
			continue
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(file))
		for {
			document, err := documents.Read()
			if err == io.EOF {
				break
			}
			if len(bytes.TrimSpace(document)) == 0 {
				continue
			}
			_, kind, err := decoder.Decode(document, nil, nil)
			if err != nil {
				fmt.Println("FAIL", path, err)
			} else {
				fmt.Println("ok", kind.GroupVersion().String()+"/"+kind.Kind, path)
			}
		}
		file.Close()
	}
}
